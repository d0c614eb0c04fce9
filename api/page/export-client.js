/** Start, follow, cancel and download exports. No framework: copy it into React, Vue or anything else. */

const FINAL = new Set(["done", "error", "cancelled", "expired"]);
const [MIN_PAUSE, FIRST_RETRY, MAX_RETRY] = [250, 1000, 15000]; // milliseconds

export const isFinal = (state) => FINAL.has(state.status);

/** A failed request; `problem` is its RFC 9457 body, `status` is 0 if there was no response. */
export class ExportProblem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "Couldn't reach the server.");
    Object.assign(this, { status, problem, passing: status === 0 || status === 429 || status >= 500 });
  }
}

/** `headers()` are sent with every request, such as Authorization; `parse` reads JSON. */
export function exportClient({ base = "", headers = () => ({}), parse = JSON.parse, fetch = (...given) => globalThis.fetch(...given) } = {}) {
  async function ask(method, path, { body, headers: extra, signal } = {}) {
    const sent = { method, signal, headers: { ...headers(), ...extra } };
    if (body !== undefined) {
      sent.headers["Content-Type"] = "application/json";
      sent.body = JSON.stringify(body);
    }
    const answer = await fetch(base + path, sent).catch((error) => {
      throw signal?.aborted ? error : new ExportProblem(0, {});
    });
    const state = await answer.text().then(parse).catch(() => null);
    if (!answer.ok) throw new ExportProblem(answer.status, state ?? {});
    if (state === null && answer.status !== 204) throw new ExportProblem(0, {});
    return { state, retryAfter: Number(answer.headers.get("Retry-After")) || 1 };
  }

  /**
   * Poll until the export is final and return its last state, one request at a time. The server holds each
   * request for up to `Retry-After` seconds (`Prefer: wait`) and answers earlier on a change. Temporary failures
   * are retried with growing pauses, and at once when the tab becomes visible or the network is back.
   */
  async function follow(id, { onState = () => {}, onReconnecting = () => {}, signal } = {}) {
    for (let wait = 0, failures = 0; ; ) {
      try {
        const { state, retryAfter } = await ask("GET", `/exports/${id}`, { headers: wait ? { Prefer: `wait=${wait}` } : {}, signal });
        [wait, failures] = [retryAfter, 0];
        onState(state);
        if (isFinal(state)) return state;
        await pause(MIN_PAUSE, signal);
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
