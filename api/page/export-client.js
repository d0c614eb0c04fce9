/** Start, follow, cancel and download exports. No framework: lift it into React, Vue or anything. */

const FINAL = new Set(["done", "error", "cancelled", "expired"]);
const [LEAST_PAUSE, FIRST_RETRY, LONGEST_RETRY] = [250, 1000, 15000]; // milliseconds

export const isFinal = (state) => FINAL.has(state.status);

/** An answer that is no success; `problem` is its RFC 9457 body, and `status` is 0 when there was none. */
export class ExportProblem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "Couldn't reach the server.");
    Object.assign(this, { status, problem, passing: status === 0 || status === 429 || status >= 500 });
  }
}

export function exportClient({ base = "", fetch = (...given) => globalThis.fetch(...given) } = {}) {
  async function ask(method, path, { body, headers, signal } = {}) {
    const sent = { method, signal, headers: { ...headers } };
    if (body !== undefined) {
      sent.headers["Content-Type"] = "application/json";
      sent.body = JSON.stringify(body);
    }
    const answer = await fetch(base + path, sent).catch((error) => {
      throw signal?.aborted ? error : new ExportProblem(0, {});
    });
    const read = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (!answer.ok) throw new ExportProblem(answer.status, read ?? {});
    if (read === null && answer.status !== 204) throw new ExportProblem(0, {});
    return { state: read, retryAfter: Number(answer.headers.get("Retry-After")) || 1 };
  }

  /**
   * Asks one time after the other until the export is final; resolves to its last state. The pause that
   * Retry-After wants is spent waiting at the server (`Prefer: wait`), so that news arrive at once. What may
   * pass is asked again after growing pauses, at once when the tab becomes visible or the network is back.
   */
  async function follow(id, { onState = () => {}, onReconnecting = () => {}, signal } = {}) {
    for (let wait = 0, failures = 0; ; ) {
      try {
        const headers = wait ? { Prefer: `wait=${wait}` } : {};
        const { state, retryAfter } = await ask("GET", `/exports/${id}`, { headers, signal });
        [wait, failures] = [retryAfter, 0];
        onState(state);
        if (isFinal(state)) return state;
        await pause(LEAST_PAUSE, signal);
      } catch (error) {
        if (!error.passing) throw error;
        wait = 0;
        onReconnecting(++failures);
        await pause(Math.min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY), signal);
      }
    }
  }

  return {
    ask,
    follow,
    start: async (request) => (await ask("POST", "/exports", { body: request })).state,
    cancel: async (id) => (await ask("POST", `/exports/${id}/cancel`)).state,
    retry: async (id) => (await ask("POST", `/exports/${id}/retry`)).state,
    remove: async (id) => void (await ask("DELETE", `/exports/${id}`)),
    downloadUrl: (id) => `${base}/exports/${id}/download`,
  };
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const heard = new AbortController();
    const end = (settle) => (clearTimeout(timer), heard.abort(), settle());
    const timer = setTimeout(end, milliseconds, resolve);
    const on = (target, name, act) => target?.addEventListener(name, act, { signal: heard.signal });
    if (signal?.aborted) end(() => reject(signal.reason));
    on(signal, "abort", () => end(() => reject(signal.reason)));
    on(globalThis.document, "visibilitychange", () => document.hidden || end(resolve));
    on(globalThis.window, "online", () => end(resolve));
  });
}
