/** The caller's exports, newest first. */

import { isFinal } from "./export-client.js";
import { ConfirmDialog } from "./confirm-dialog.js";
import { html } from "./html.js";
import { ListSection, useList } from "./list.js";
import { ScopeTitles } from "./titles.js";
import { count, expiry, requestInWords, rows, size, when } from "./words.js";

const [SOON, LATER] = [3000, 30_000]; // milliseconds between refreshes: while an export runs, and otherwise
const STATUSES = {
  queued: "Queued",
  running: "Running",
  finalizing: "Checking",
  done: "Ready",
  expired: "Expired",
  error: "Failed",
  cancelled: "Cancelled",
};

/** A skipped run without rows counts as cancelled in the API, but nobody cancelled it. */
export const statusInWords = ({ status, error }) => (error?.code === "rows.none" ? "No rows" : STATUSES[status]);

export const useMyExports = (client, news) =>
  useList(client, "/exports", news, (items) => (items.some((each) => !isFinal(each)) ? SOON : LATER));

export function MyExports({ mine, types, client, onAgain, onDelete, onSchedule, onProblem }) {
  const cancel = async (state) => {
    await client.cancel(state.id).catch((problem) => onProblem(problem.message));
    mine.load();
  };
  return html`<${ListSection} id="mine" title="My exports" list=${mine} nothing="Your exports appear here for 7 days.">
    ${(each) => html`<${Item} key=${each.id} state=${each} type=${types.find((type) => type.name === each.report)} client=${client}
      onCancel=${() => cancel(each)} onAgain=${() => onAgain(each)} onDelete=${() => onDelete(each)} onSchedule=${() => onSchedule(each)} />`}
  <//>`;
}

function Item({ state, type, client, onCancel, onAgain, onDelete, onSchedule }) {
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
      ${type && !state.scheduleId && html`<button type="button" aria-label=${named("Schedule…")} onClick=${onSchedule}>Schedule…</button>`}
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
      <dt>Data as of</dt><dd>${state.snapshotAt}</dd>
      <dt>ID</dt><dd><code>${state.id}</code></dd>
    </dl>
    <a href="/exports/${state.id}/manifest" download="">Download receipt</a>
  </details>`;
}

export function DeleteDialog({ state, onClose, onConfirm }) {
  return html`<${ConfirmDialog} title="Delete this export?" act="Delete" onConfirm=${onConfirm} onClose=${onClose}>
    Deletes ${state.file ? state.file.name : "the export"} and its record. Source data isn't affected.
  <//>`;
}
