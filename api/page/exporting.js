/** The running export: start, follow, resume after a reload, and how it is shown. */

import { ExportProblem, isFinal } from "./export-client.js";
import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { progressInWords } from "./words.js";

const SLOW_AFTER = 90_000; // milliseconds
export const SLOW =
  "This is taking a while. You can leave this page; the file will be in My exports.";

const NONE = { id: null, state: null, failures: 0, problem: null, starting: false };

/** `onEnd` is told each final state once, and whether this page has seen the export start. */
export function useExport(client, { onStarted, onEnd, resumeId }) {
  const [now, setNow] = useState(NONE);
  const following = useRef(null);
  const told = useRef({});
  told.current = { onStarted, onEnd };

  const follow = useCallback((id, startedHere) => {
    following.current?.abort();
    const { signal } = (following.current = new AbortController());
    const update = (change) => signal.aborted || setNow((before) => ({ ...before, ...change }));
    setNow((before) => ({ ...NONE, id, state: before.id === id ? before.state : null }));
    const hear = { onState: (state) => update({ state, failures: 0 }), onReconnecting: (failures) => update({ failures }) };
    client.follow(id, { ...hear, signal }).then(
      (state) => told.current.onEnd(state, startedHere),
      (problem) => problem instanceof ExportProblem && update({ problem, state: null }),
    );
  }, []);

  /** `request` makes the start: of a new export, or of an earlier one once more. */
  const start = useCallback(async (request) => {
    setNow({ ...NONE, starting: true });
    try {
      const state = await request();
      told.current.onStarted(state.id);
      setNow({ ...NONE, id: state.id, state });
      follow(state.id, true);
    } catch (problem) {
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

export function ExportPanel({ running, onRetry, onClose }) {
  const { state, problem } = running;
  if (problem) return html`<${Failure} reason=${problem.message} id=${running.id} onRetry=${onRetry} onClose=${onClose} />`;
  if (state?.status === "error") {
    return html`<${Failure} reason=${state.error.message} id=${state.id} onRetry=${onRetry} onClose=${onClose} />`;
  }
  return running.isRunning ? html`<${Progress} running=${running} />` : null;
}

function Failure({ reason, id, onRetry, onClose }) {
  return html`<section class="panel failed" role="alert">
    <div>
      <h2>${id ? "The export failed" : "Couldn't start the export"}</h2>
      <p>${reason}</p>
      ${id && html`<p class="quiet">If this keeps happening, contact support with ID <code>${id}</code>.</p>`}
    </div>
    <div class="actions">
      <button type="button" class="primary" onClick=${onRetry}>Try again</button>
      <button type="button" onClick=${onClose}>Close</button>
    </div>
  </section>`;
}

function Progress({ running }) {
  const { state, failures } = running;
  const isSlow = useSlow(state?.createdAt);
  const text = failures ? "Reconnecting…" : state ? progressInWords(state) : "Starting…";
  const isCounted = state && state.status !== "queued" && state.rows.expected !== null;
  return html`<section class="panel" aria-label="Running export" id="running-export" tabindex="-1">
    <div class="grow">
      <p id="export-progress">${text}</p>
      <progress aria-labelledby="export-progress" max="100" ...${isCounted ? { value: state.progress } : {}} />
      ${isSlow && html`<p class="quiet" role="status">${SLOW}</p>`}
      <p class="hidden" role="status">${isCounted ? quarter(state.progress) : ""}</p>
    </div>
    ${state && state.phase !== "cancelling" && html`<button type="button" onClick=${running.cancel}>Cancel export</button>`}
  </section>`;
}

/** Screen readers hear every quarter, not every percent. */
const quarter = (percent) => (percent < 25 ? "" : `${Math.floor(percent / 25) * 25}% exported`);

function useSlow(createdAt) {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    if (!createdAt) return;
    const age = Math.max(0, Date.now() - new Date(createdAt));
    const timer = setTimeout(setSlow, Math.max(0, SLOW_AFTER - age), true);
    return () => clearTimeout(timer);
  }, [createdAt]);
  return isSlow;
}

export function useTitle(running, title) {
  const { state, isRunning } = running;
  useEffect(() => {
    const percent = isRunning && state ? `${state.progress}% · ` : "";
    document.title = `${percent}${title ? `${title} · ` : ""}Report Exports`;
  }, [isRunning, state?.progress, title]);
}

