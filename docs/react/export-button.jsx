import { useState } from "react";
import { client } from "./client.js";
import { useExport } from "./use-export.js";

export function ExportButton({ request }) {
  const [id, setId] = useState(null);
  const [refusal, setRefusal] = useState(null);
  const { data: state, error } = useExport(id);
  const problem = refusal ?? error ?? (state?.status === "error" ? state.error : null);
  const isRunning = id !== null && !problem && !["done", "cancelled", "expired"].includes(state?.status);

  async function start() {
    setRefusal(null);
    setId(null);
    await client.start(request).then((started) => setId(started.id), setRefusal);
  }

  return (
    <div>
      <button onClick={start} disabled={isRunning}>Export CSV</button>
      {isRunning && <progress max="100" value={state?.progress ?? 0} aria-label="Export" />}
      {isRunning && <button onClick={() => client.cancel(id).catch(setRefusal)}>Cancel</button>}
      {state?.status === "done" && (
        <button onClick={() => client.download(id).catch(setRefusal)}>Download {state.file.rows} rows</button>
      )}
      {problem && <p role="alert">{problem.message}</p>}
    </div>
  );
}
