/** The list of the caller's exports. */

import { ConfirmDialog } from "./dialog.js";
import { DownloadLink, downloadManifest } from "./download.js";
import { isFinal } from "./export-client.js";
import { causeOf } from "./failure.js";
import { count, expiry, formatOf, requestInWords, rows, size, when } from "./format.js";
import { html, useEffect, useState } from "./html.js";
import { ListSection, useList } from "./list.js";
import { ProgressBar } from "./progress-bar.js";
import { t } from "./texts.js";
import { ScopeTitles } from "./titles.js";

// Milliseconds between refreshes. SOON applies while an export runs that the panel does not follow.
const [SOON, LATER] = [3000, 30_000];
const TYPING = 250; // milliseconds without a key press before the search starts

/** Return the status text. Runs without rows are `cancelled` in the API but shown as "No rows". */
export const statusInWords = ({ status, error }) => (error?.code === "rows.none" ? t.statuses.noRows : t.statuses[status]);

/** Return the value once it has not changed for `delay` milliseconds. */
function useSettled(value, delay) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Load the list with search and status filter. `followed` is the state of the export that the panel follows. */
export function useMyExports(client, news, followed) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const words = useSettled(search.trim(), TYPING);
  const query = { ...(status && { status }), ...(words && { search: words }) };
  const pauseAfter = (items) => (items.some((item) => !isFinal(item) && item.id !== followed?.id) ? SOON : LATER);
  const list = useList(client, "/exports", { query, news, pauseAfter });
  const items = list.items?.map((item) => (item.id === followed?.id ? followed : item)) ?? null;
  return { ...list, items, search, setSearch, status, setStatus };
}

export function MyExports({ mine, types, client, titleOf, onAgain, onDelete, onSchedule, onProblem, onCopy }) {
  const cancel = async (state) => {
    await client.cancel(state.id).catch((problem) => onProblem(problem.message));
    mine.load();
  };
  const isFiltered = mine.search || mine.status;
  const tools = html`<div class="tools">
    <input type="search" aria-label=${t.searchExports} placeholder=${t.searchExports} value=${mine.search} onInput=${(event) => mine.setSearch(event.target.value)} />
    <select aria-label=${t.statusFilter} value=${mine.status} onChange=${(event) => mine.setStatus(event.target.value)}>
      <option value="">${t.anyStatus}</option>
      ${Object.keys(t.statuses).filter((status) => status !== "noRows").map((status) => html`<option key=${status} value=${status}>${t.statuses[status]}</option>`)}
    </select>
  </div>`;
  return html`<${ListSection} id="mine" title=${t.myExports} list=${mine} nothing=${isFiltered ? t.noMatches : t.noExports} tools=${tools}>
    ${(state) => html`<${Item} key=${state.id} state=${state} type=${types.find((type) => type.name === state.report)} title=${titleOf(state)} ...${{ client, onProblem }}
      onCancel=${() => cancel(state)} onAgain=${() => onAgain(state)} onDelete=${() => onDelete(state)} onSchedule=${() => onSchedule(state)} onCopy=${() => onCopy(state)} />`}
  <//>`;
}

function Item({ state, type, title, client, onCancel, onAgain, onDelete, onSchedule, onProblem, onCopy }) {
  const now = Date.now();
  const named = (verb) => t.named(verb, title, when(state.createdAt, now));
  const button = (text, act) => html`<button type="button" aria-label=${named(text)} onClick=${act}>${text}</button>`;
  const isDone = isFinal(state);
  return html`<li id="export-${state.id}">
    <div class="head"><strong>${title}</strong><span class="badge ${state.status}">${statusInWords(state)}</span></div>
    <${ScopeTitles} ...${{ client, type }} request=${state.request} />
    <p class="quiet">${requestInWords(state.request, type)}</p>
    <p class="quiet">${formatOf(state.request)}</p>
    <p class="quiet">${factsOf(state, now)}</p>
    ${state.status === "error" && html`<p class="mistake">${causeOf(state.error)}</p>`}
    ${!isDone && html`<${ProgressBar} aria-label=${named(t.progressOf)} value=${state.rows.expected === null ? null : state.progress} />`}
    <div class="actions">
      ${state.status === "done" && html`<${DownloadLink} class="button" ...${{ client, onProblem }} id=${state.id} label=${named(t.download)}>${t.download}<//>`}
      ${!isDone && state.phase !== "cancelling" && button(t.cancel, onCancel)}
      ${isDone && button(t.runAgain, onAgain)}
      ${type && !state.scheduleId && button(t.scheduleAction, onSchedule)}
      ${button(t.copyLink, onCopy)}
      ${isDone && button(t.delete, onDelete)}
    </div>
    ${state.file && html`<${Receipt} ...${{ state, client, onProblem }} />`}
  </li>`;
}

function factsOf(state, now) {
  const parts = [when(state.createdAt, now)];
  if (state.file) parts.push(rows(state.file.rows), size(state.file.bytes), expiry(state.file.expiresAt, now));
  else if (!isFinal(state)) parts.push(`${state.progress}%`);
  return parts.join(" · ");
}

function Receipt({ state, client, onProblem }) {
  const { file } = state;
  const save = () => downloadManifest(client, state.id).catch((problem) => onProblem(problem.message));
  return html`<details>
    <summary>${t.receipt}</summary>
    <dl>
      <dt>${t.file}</dt><dd>${file.name}</dd>
      <dt>${t.format}</dt><dd>${formatOf(state.request)}</dd>
      <dt>${t.rowCount}</dt><dd>${t.someOf(count(file.rows), count(state.rows.expected ?? file.rows))}</dd>
      <dt>${t.fileSize}</dt><dd>${t.bytes(count(file.bytes))}</dd>
      <dt>SHA-256</dt><dd><code>${file.sha256}</code></dd>
      <dt>${t.dataAsOf}</dt><dd>${state.snapshotAt}</dd>
      <dt>ID</dt><dd><code>${state.id}</code></dd>
    </dl>
    <button type="button" class="link" onClick=${save}>${t.downloadReceipt}</button>
  </details>`;
}

export const DeleteDialog = ({ state, onClose, onConfirm }) => html`<${ConfirmDialog} title=${t.deleteExport} act=${t.delete} ...${{ onConfirm, onClose }}>
  ${t.deleteExportNote(state.file?.name)}
<//>`;
