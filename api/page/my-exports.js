/** The exports of this caller, newest first. */

import { isFinal } from "./export-client.js";
import { ConfirmDialog } from "./confirm-dialog.js";
import { html } from "./html.js";
import { ListSection, useList } from "./list.js";
import { ScopeTitles } from "./titles.js";
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

/** One that was not to make an empty file was not cancelled by anybody. */
export const statusInWords = ({ status, error }) => (error?.code === "rows.none" ? "No rows" : STATUSES[status]);

export const useMyExports = (client, news) =>
  useList(client, "/exports", news, (items) => (items.some((each) => !isFinal(each)) ? SOON : LATER));

export function MyExports({ mine, types, client, onAgain, onDelete, onRepeat, onProblem }) {
  const cancel = async (state) => {
    await client.cancel(state.id).catch((problem) => onProblem(problem.message));
    mine.load();
  };
  return html`<${ListSection} id="mine" title="My exports" list=${mine} nothing="Exports that you start are kept here until their files expire.">
    ${(each) => html`<${Item} key=${each.id} state=${each} type=${types.find((type) => type.name === each.report)} client=${client}
      onCancel=${() => cancel(each)} onAgain=${() => onAgain(each)} onDelete=${() => onDelete(each)} onRepeat=${() => onRepeat(each)} />`}
  <//>`;
}

function Item({ state, type, client, onCancel, onAgain, onDelete, onRepeat }) {
  const now = Date.now();
  const title = state.name ?? type?.title ?? state.report;
  const named = (verb) => `${verb} ${title}, ${when(state.createdAt, now)}`;
  return html`<li>
    <div class="head"><strong>${title}</strong><span class="badge ${state.status}">${statusInWords(state)}</span></div>
    <${ScopeTitles} ...${{ client, type }} request=${state.request} />
    <p class="quiet">${requestInWords(state.request, type)}</p>
    <p class="quiet">${factsOf(state, now)}</p>
    ${state.status === "error" && html`<p class="mistake">${state.error.message}</p>`}
    ${!isFinal(state) &&
    html`<progress aria-label=${named("Progress of")} max="100" ...${state.rows.expected === null ? {} : { value: state.progress }} />`}
    <div class="actions">
      ${state.status === "done" && html`<a class="button" href=${client.downloadUrl(state.id)} download="" aria-label=${named("Download")}>Download</a>`}
      ${!isFinal(state) && state.phase !== "cancelling" && html`<button type="button" aria-label=${named("Cancel")} onClick=${onCancel}>Cancel</button>`}
      ${isFinal(state) && html`<button type="button" aria-label=${named("Run again")} onClick=${onAgain}>Run again</button>`}
      ${type && !state.scheduleId && html`<button type="button" aria-label=${named("Repeat every week…")} onClick=${onRepeat}>Repeat every week…</button>`}
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
  return html`<${ConfirmDialog} title="Delete this export?" act="Delete" onConfirm=${onConfirm} onClose=${onClose}>
    Its file and its record are removed${state.file ? `: ${state.file.name}` : ""}. The rows stay in the database.
  <//>`;
}
