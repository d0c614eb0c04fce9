import useSWRSubscription from "swr/subscription";
import { client } from "./client.js";

/** `data` is the export's state, `error` an ExportProblem; no request is sent until there is an id. */
export function useExport(id) {
  return useSWRSubscription(id && ["export", id], ([, id], { next }) => {
    const leaving = new AbortController();
    client
      .follow(id, { onState: (state) => next(null, state), signal: leaving.signal })
      .catch((problem) => leaving.signal.aborted || next(problem));
    return () => leaving.abort();
  });
}
