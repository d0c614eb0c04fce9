/** Start or resume an export, follow it and show its progress. */

import { DownloadLink } from "./download.js";
import { ExportProblem, isFinal } from "./export-client.js";
import { Failure } from "./failure.js";
import { progressInWords, readyInWords, timeOfDay } from "./format.js";
import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { ProgressBar } from "./progress-bar.js";
import { mayNotify, NotifyChoice } from "./signals.js";
import { t } from "./texts.js";

const [SLOW_AFTER, STALLED_AFTER, QUEUED_TOO_LONG, ASK_WORKER_EVERY] = [90_000, 30_000, 4000, 10_000]; // milliseconds
const NONE = { id: null, state: null, failures: 0, problem: null, starting: false };

/** Follow one export. `onEnd(state, startedHere)` is called once when it ends. */
export function useExport(client, { onStarted, onEnd, onGone, resumeId }) {
  const [now, setNow] = useState(NONE);
  const following = useRef(null);
  const handlers = useRef({});
  handlers.current = { onStarted, onEnd, onGone };

  const follow = useCallback((id, startedHere) => {
    following.current?.abort();
    const { signal } = (following.current = new AbortController());
    const update = (change) => signal.aborted || setNow((before) => ({ ...before, ...change }));
    let wasOver = null; // do not announce an export that had already ended
    const onState = (state) => {
      wasOver ??= isFinal(state);
      update({ state, failures: 0 });
    };
    setNow((before) => ({ ...NONE, id, state: before.id === id ? before.state : null }));
    client.follow(id, { onState, onReconnecting: (failures) => update({ failures }), signal }).then(
      (state) => (startedHere || !wasOver) && handlers.current.onEnd(state, startedHere),
      (problem) => {
        if (!(problem instanceof ExportProblem)) return;
        if (startedHere) return update({ problem, state: null });
        setNow(NONE);
        handlers.current.onGone(); // deleted, or it belongs to another caller
      },
    );
  }, []);

  /** Call `request` to start or retry an export. Return the export ID, or undefined if the request failed. */
  const start = useCallback(async (request) => {
    setNow((before) => ({ ...before, problem: null, starting: true }));
    try {
      const state = await request();
      handlers.current.onStarted(state.id);
      setNow({ ...NONE, id: state.id, state });
      follow(state.id, true);
      return state.id;
    } catch (problem) {
      following.current?.abort();
      setNow({ ...NONE, problem });
    }
  }, []);

  const cancel = useCallback(async () => {
    try {
      const state = await client.cancel(now.id);
      setNow((before) => ({ ...before, state }));
    } catch (problem) {
      if (problem.status !== 409) setNow((before) => ({ ...before, problem }));
    }
  }, [now.id]);

  const close = useCallback(() => (following.current?.abort(), setNow(NONE)), []);

  useEffect(() => {
    if (resumeId) follow(resumeId, false);
    return () => following.current?.abort();
  }, []);

  const isRunning = now.starting || (now.id !== null && now.problem === null && !(now.state && isFinal(now.state)));
  return { ...now, isRunning, start, cancel, close };
}

export function ExportPanel({ client, running, isShared, prefectUi, onRetry, onClose, onCopy, onProblem }) {
  const { state, problem } = running;
  if (problem) {
    const error = { code: null, retryable: problem.passing, message: problem.message };
    return html`<${Failure} title=${running.id ? t.exportFailed : t.notStarted} error=${error} id=${running.id} ...${{ onRetry, onClose, onCopy }} />`;
  }
  if (state?.status === "error") {
    const runUrl = prefectUi && `${prefectUi.replace(/\/$/, "")}/runs/flow-run/${state.id}`;
    return html`<${Failure} title=${t.exportFailed} error=${state.error} id=${state.id} ...${{ runUrl, onRetry, onClose, onCopy }} />`;
  }
  if (running.isRunning) return html`<${Progress} client=${client} running=${running} />`;
  return state?.status === "done" && isShared ? html`<${Ready} ...${{ client, state, onClose, onProblem }} />` : null;
}

/** Panel of a finished export that was opened through a shared link. */
const Ready = ({ client, state, onClose, onProblem }) => html`<section class="panel" aria-label=${t.sharedExport}>
  <div class="grow"><p>${readyInWords(state)}</p></div>
  <div class="actions">
    <${DownloadLink} class="button primary" ...${{ client, onProblem }} id=${state.id}>${t.download}<//>
    <button type="button" onClick=${onClose}>${t.close}</button>
  </div>
</section>`;

function Progress({ client, running }) {
  const { state, failures } = running;
  const now = useClock();
  const hasWorker = useWorker(client, state);
  const movedAt = useLastMove(state);
  const text = failures ? t.reconnecting : state ? progressInWords(state, now) : t.starting;
  const isCounted = state && state.status !== "queued" && state.rows.expected !== null;
  const note = noteOf(state, now, hasWorker, movedAt);
  return html`<section class="panel" aria-label=${t.runningExport} id="running-export" tabindex="-1">
    <div class="grow">
      <p id="export-progress">${text}</p>
      <${ProgressBar} aria-labelledby="export-progress" value=${isCounted ? state.progress : null} />
      ${note && html`<p class="quiet" role="status">${note}</p>`}
      <p class="hidden" role="status">${isCounted ? quarter(state.progress) : ""}</p>
      ${mayNotify() && html`<${NotifyChoice} />`}
    </div>
    ${state && state.phase !== "cancelling" && html`<button type="button" onClick=${running.cancel}>${t.cancelExport}</button>`}
  </section>`;
}

function noteOf(state, now, hasWorker, movedAt) {
  if (!state) return null;
  if (state.status === "queued" && !hasWorker) return t.noWorker;
  if (state.status === "running" && now - movedAt > STALLED_AFTER) return t.stalledSince(timeOfDay(movedAt));
  return now - new Date(state.createdAt) > SLOW_AFTER ? t.takingLong : null;
}

/** Round the progress to quarters, so that screen readers do not announce every percent. */
const quarter = (percent) => (percent < 25 ? "" : t.quarter(Math.floor(percent / 25) * 25));

/** Return the current time and rerender every second. */
function useClock() {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Return the time when this page last saw new rows or a new phase. */
function useLastMove(state) {
  const last = useRef({ mark: null, at: Date.now() });
  const mark = state && `${state.status} ${state.phase} ${state.rows.written} ${state.attempt}`;
  if (mark !== last.current.mark) last.current = { mark, at: Date.now() };
  return last.current.at;
}

/** Return false if the export has been queued for a few seconds and /readyz reports that no worker is online. */
function useWorker(client, state) {
  const [hasWorker, setWorker] = useState(true);
  const isQueued = state?.status === "queued" && state.id;
  useEffect(() => {
    setWorker(true);
    if (!isQueued) return;
    const look = () =>
      client.ask("GET", "/readyz").then(
        () => setWorker(true),
        ({ problem }) => setWorker(problem?.checks?.worker !== "failed"),
      );
    const timers = [setTimeout(look, QUEUED_TOO_LONG), setInterval(look, ASK_WORKER_EVERY)];
    return () => timers.forEach(clearTimeout);
  }, [isQueued]);
  return hasWorker;
}
