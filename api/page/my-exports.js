/** The exports of this caller, newest first. */

import { isFinal } from "./export-client.js";
import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { count, expiry, requestInWords, rows, size, when } from "./words.js";

const [SOON, LATER] = [3000, 30_000]; // milliseconds between two looks: while one goes on, and else
const STATUSES = {
  queued: "Waiting",
  running: "Running",
  finalizing: "Checking",
  done: "Ready",
  expired: "Expired",
  error: "Failed",
  cancelled: "Cancelled",
};

/** Looks again when `news` changes, and from time to time while the tab is seen. */
export function useMyExports(client, news) {
  const [now, setNow] = useState({ items: null, nextCursor: null, failed: false });
  const limit = useRef(10);
  const load = useCallback(async () => {
    try {
      const { state } = await client.ask("GET", `/exports?limit=${limit.current}`);
      setNow({ ...state, failed: false });
    } catch {
      setNow((before) => ({ ...before, failed: true }));
    }
  }, []);
  useEffect(() => void load(), [news]);
  useEffect(() => {
    const isBusy = now.items?.some((each) => !isFinal(each));
    const timer = setTimeout(() => document.hidden || load(), isBusy ? SOON : LATER);
    return () => clearTimeout(timer);
  }, [now]);
  const more = () => ((limit.current = Math.min(100, limit.current + 20)), load());
  return { ...now, load, more };
}

export function MyExports({ mine, types, client, onAgain, onDelete, onProblem }) {
  const act = (what) => async () => {
    try {
      await what();
    } catch (problem) {
      onProblem(problem.message);
    }
    mine.load();
  };
  return html`<section class="mine" aria-labelledby="mine">
    <h2 id="mine">My exports</h2>
    ${mine.failed && html`<p class="mistake" role="status">The list could not be loaded. It is asked for again in a moment.</p>`}
    ${mine.items?.length === 0 && html`<p class="quiet">Exports that you start are kept here until their files expire.</p>`}
    <ul>
      ${mine.items?.map(
        (each) => html`<${Item} key=${each.id} state=${each} type=${types.find((type) => type.name === each.report)}
          client=${client} onCancel=${act(() => client.cancel(each.id))} onAgain=${() => onAgain(each)} onDelete=${() => onDelete(each)} />`,
      )}
    </ul>
    ${mine.nextCursor && mine.items.length < 100 && html`<button type="button" class="link" onClick=${mine.more}>Show more</button>`}
  </section>`;
}

function Item({ state, type, client, onCancel, onAgain, onDelete }) {
  const now = Date.now();
  const title = state.name ?? type?.title ?? state.report;
  const named = (verb) => `${verb} ${title}, ${when(state.createdAt, now)}`;
  return html`<li>
    <div class="head"><strong>${title}</strong><span class="badge ${state.status}">${STATUSES[state.status]}</span></div>
    <p class="quiet">${requestInWords(state.request, type)}</p>
    <p class="quiet">${factsOf(state, now)}</p>
    ${state.status === "error" && html`<p class="mistake">${state.error.message}</p>`}
    ${!isFinal(state) &&
    html`<progress aria-label=${named("Progress of")} max="100" ...${state.rows.expected === null ? {} : { value: state.progress }} />`}
    <div class="actions">
      ${state.status === "done" && html`<a class="button" href=${client.downloadUrl(state.id)} download="" aria-label=${named("Download")}>Download</a>`}
      ${!isFinal(state) && state.phase !== "cancelling" && html`<button type="button" aria-label=${named("Cancel")} onClick=${onCancel}>Cancel</button>`}
      ${isFinal(state) && html`<button type="button" aria-label=${named("Run again")} onClick=${onAgain}>Run again</button>`}
      ${isFinal(state) && html`<button type="button" aria-label=${named("Delete")} onClick=${onDelete}>Delete</button>`}
    </div>
    ${state.file && html`<${Receipt} state=${state} />`}
  </li>`;
}

function factsOf(state, now) {
  const parts = [when(state.createdAt, now).replace(/^now$/, "just now")];
  if (state.file) parts.push(rows(state.file.rows), size(state.file.bytes), expiry(state.file.expiresAt, now));
  else if (!isFinal(state)) parts.push(`${state.progress}%`);
  return parts.join(" · ");
}

function Receipt({ state }) {
  const { file } = state;
  return html`<details>
    <summary>Receipt</summary>
    <dl>
      <dt>File</dt><dd>${file.name}</dd>
      <dt>Rows</dt><dd>${count(file.rows)} of ${count(state.rows.expected ?? file.rows)}</dd>
      <dt>Size</dt><dd>${count(file.bytes)} bytes</dd>
      <dt>SHA-256</dt><dd><code>${file.sha256}</code></dd>
      <dt>As of</dt><dd>${state.snapshotAt}</dd>
      <dt>Id</dt><dd><code>${state.id}</code></dd>
    </dl>
    <a href="/exports/${state.id}/manifest" download="">Save the receipt as a file</a>
  </details>`;
}

export function DeleteDialog({ state, onClose, onConfirm }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class="small" aria-labelledby="delete-title" onClose=${onClose}>
    <h2 id="delete-title">Delete this export?</h2>
    <p>Its file and its record are removed${state.file ? `: ${state.file.name}` : ""}. The rows stay in the database.</p>
    <div class="actions">
      <button type="button" class="danger" onClick=${() => (onConfirm(), dialog.current.close())}>Delete</button>
      <button type="button" autofocus onClick=${() => dialog.current.close()}>Keep it</button>
    </div>
  </dialog>`;
}
