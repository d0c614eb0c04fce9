/** Start, follow, cancel and download exports. This file has no dependencies, so you can copy it into any app. */

const [POLL_DELAY, FIRST_RETRY, MAX_RETRY] = [250, 1000, 15000]; // milliseconds

export const isFinal = (state) => ["done", "error", "cancelled", "expired"].includes(state.status);

/** A failed request. `problem` is the RFC 9457 body of the response. `status` is 0 if there was no response. */
export class ExportProblem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "Couldn't reach the server.");
    Object.assign(this, { status, problem, passing: status === 0 || status === 429 || status >= 500 });
  }
}

/** Create a client. `headers()` returns headers for every request, such as Authorization. `parse` parses JSON. */
export function exportClient({ base = "", headers = () => ({}), parse = JSON.parse, fetch = (...args) => globalThis.fetch(...args) } = {}) {
  async function ask(method, path, { body, headers: extra, signal } = {}) {
    const init = { method, signal, body: JSON.stringify(body), headers: { ...headers(), ...extra } };
    if (method === "POST" || body !== undefined) init.headers["Content-Type"] = "application/json";
    const response = await fetch(base + path, init).catch((error) => {
      throw signal?.aborted ? error : new ExportProblem(0, {});
    });
    const state = await response.text().then(parse).catch(() => null);
    if (!response.ok) throw new ExportProblem(response.status, state ?? {});
    if (state === null && response.status !== 204) throw new ExportProblem(0, {});
    return { state, retryAfter: Number(response.headers.get("Retry-After")) || 1 };
  }

  /**
   * Poll until the export has ended and return its last state. The server delays each response until the state
   * changes, but no longer than the last `Retry-After`. Temporary failures are retried with increasing delays,
   * and immediately when the tab becomes visible or the network connection returns.
   */
  async function follow(id, { onState = () => {}, onReconnecting = () => {}, signal } = {}) {
    for (let wait = 0, failures = 0; ; ) {
      try {
        const { state, retryAfter } = await ask("GET", `/exports/${id}`, { headers: wait ? { Prefer: `wait=${wait}` } : {}, signal });
        [wait, failures] = [retryAfter, 0];
        onState(state);
        if (isFinal(state)) return state;
        await pause(POLL_DELAY, signal);
      } catch (error) {
        if (!error.passing) throw error;
        wait = 0;
        onReconnecting(++failures);
        await pause(Math.min(FIRST_RETRY * 2 ** (failures - 1), MAX_RETRY), signal);
      }
    }
  }

  const read = async (method, path, body) => (await ask(method, path, { body })).state;
  return {
    ask,
    follow,
    start: (request) => read("POST", "/exports", request),
    cancel: (id) => read("POST", `/exports/${id}/cancel`),
    retry: (id) => read("POST", `/exports/${id}/retry`),
    remove: async (id) => void (await read("DELETE", `/exports/${id}`)),
    downloadUrl: (id) => `${base}/exports/${id}/download`,
    signedUrl: async (id) => (await read("GET", `/exports/${id}`)).file?.url ?? null,
    download: (id) => read("GET", `/exports/${id}`).then(({ file }) => {
      if (!file) throw new ExportProblem(409, { detail: "The export has no file." });
      globalThis.location.assign(file.url); // the browser saves the file and stays on the page
    }),
  };
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    const end = (settle) => (clearTimeout(timer), ended.abort(), settle());
    const timer = setTimeout(end, milliseconds, resolve);
    const on = (target, name, act) => target?.addEventListener(name, act, { signal: ended.signal });
    if (signal?.aborted) end(() => reject(signal.reason));
    on(signal, "abort", () => end(() => reject(signal.reason)));
    on(globalThis.document, "visibilitychange", () => document.hidden || end(resolve));
    on(globalThis.window, "online", () => end(resolve));
  });
}
