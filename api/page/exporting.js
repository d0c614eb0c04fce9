/** The followed export: start it, follow it, resume after a reload, and show its progress. */

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

/** `onEnd(state, startedHere)` is called once for each export that ends while it is followed. */
export function useExport(client, { onStarted, onEnd, onGone, resumeId }) {
  const [now, setNow] = useState(NONE);
  const following = useRef(null);
  const handlers = useRef({});
  handlers.current = { onStarted, onEnd, onGone };

  const follow = useCallback((id, startedHere) => {
    following.current?.abort();
    const { signal } = (following.current = new AbortController());
    const update = (change) => signal.aborted || setNow((before) => ({ ...before, ...change }));
    let wasOver = null; // an export that had ended before is not announced again
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
        handlers.current.onGone(); // another caller's export, or a deleted one
      },
    );
  }, []);

  /** `request` starts the export, a new one or an earlier one again; returns its ID, undefined after a failure. */
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

/** An export opened by its link. */
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

/** Screen readers hear every quarter, not every percent. */
const quarter = (percent) => (percent < 25 ? "" : t.quarter(Math.floor(percent / 25) * 25));

/** The time, once a second. */
function useClock() {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** When rows were last written or the phase last changed, as far as this page has seen. */
function useLastMove(state) {
  const last = useRef({ mark: null, at: Date.now() });
  const mark = state && `${state.status} ${state.phase} ${state.rows.written} ${state.attempt}`;
  if (mark !== last.current.mark) last.current = { mark, at: Date.now() };
  return last.current.at;
}

/** False when an export has been queued for some seconds and /readyz reports no worker. */
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
