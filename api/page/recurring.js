/** The recurring exports of this caller. */

import { ConfirmDialog } from "./confirm-dialog.js";
import { html, useEffect, useState } from "./html.js";
import { ListSection, useList } from "./list.js";
import { statusInWords } from "./my-exports.js";
import { keptSchedule, newSchedule, RecurringDialog } from "./recurring-dialog.js";
import { coveredInWords, rangeInWords, recurrenceInWords, slotInWords } from "./schedule-words.js";
import { DEFAULT_REPORT } from "./query.js";
import { ScopeTitles } from "./titles.js";
import { rows, when } from "./words.js";

const LATER = 60_000; // milliseconds between two looks
const SHOWN_RUNS = 5;
const NOTHING = "There are none yet. “Repeat every week…”, beside each of your exports and in the export options, makes one.";

export const useSchedules = (client, news) => useList(client, "/schedules", news, () => LATER);

const typeOf = (types, { report = DEFAULT_REPORT }) => types.find((each) => each.name === report);

/** The dialogs of the recurring exports: `asked` is {make: request}, {change: schedule}, {remove: schedule} or null. */
export function RecurringDialogs({ client, types, asked, schedules, say, onClose }) {
  if (asked === null) return null;
  if (asked.remove) {
    const remove = async () => {
      await client.ask("DELETE", `/schedules/${asked.remove.id}`).catch((problem) => problem.status === 404 || say(problem.message));
      schedules.load();
    };
    return html`<${ConfirmDialog} title="Delete this recurring export?" act="Delete" onConfirm=${remove} onClose=${onClose}>
      ${asked.remove.name} will not run again. The exports that it has made stay.
    <//>`;
  }
  const type = typeOf(types, asked.make ?? asked.change.export);
  const first = asked.make ? newSchedule(asked.make, type) : keptSchedule(asked.change);
  const saved = (state) => {
    say(`${state.name} is kept. ${nextInWords(state)}.`);
    schedules.load();
  };
  return html`<${RecurringDialog} ...${{ client, type, first, onClose }} onSaved=${saved} />`;
}

export function Recurring({ client, types, schedules, onRun, onChange, onDelete, onProblem }) {
  const pause = async ({ id, enabled }) => {
    await client.ask("PATCH", `/schedules/${id}`, { body: { enabled: !enabled } }).catch((problem) => onProblem(problem.message));
    schedules.load();
  };
  return html`<${ListSection} id="recurring" title="Recurring exports" list=${schedules} nothing=${NOTHING}>
    ${(each) => html`<${Item} key=${each.id} ...${{ client, types, news: schedules.items }} schedule=${each} onPause=${() => pause(each)}
      onRun=${() => onRun(each)} onChange=${() => onChange(each)} onDelete=${() => onDelete(each)} />`}
  <//>`;
}

function Item({ client, types, news, schedule, onPause, onRun, onChange, onDelete }) {
  const { name, enabled, readOnly, recurrence, range } = schedule;
  const runs = useRuns(client, schedule.id, news);
  const type = typeOf(types, schedule.export);
  const named = (verb) => `${verb} ${name}`;
  const own = (text, act) => readOnly || html`<button type="button" aria-label=${named(text)} onClick=${act}>${text}</button>`;
  return html`<li>
    <div class="head"><strong>${name}</strong><span class="badge ${enabled ? "" : "cancelled"}">${enabled ? "On" : "Paused"}</span></div>
    <${ScopeTitles} ...${{ client, type }} request=${schedule.export} />
    <p class="quiet">${recurrenceInWords(recurrence)} · ${rangeInWords(range)}</p>
    <p class="quiet">${nextInWords(schedule)}</p>
    <p class="quiet">${lastInWords(runs)}</p>
    ${readOnly && html`<p class="quiet">Kept in prefect.yaml, or made in Prefect: it is changed there.</p>`}
    <div class="actions">
      <button type="button" aria-label=${named("Run now")} onClick=${onRun}>Run now</button>
      ${own(enabled ? "Pause" : "Resume", onPause)} ${own("Change…", onChange)} ${own("Delete", onDelete)}
    </div>
    ${runs?.length > 0 && html`<${History} client=${client} runs=${runs} />`}
  </li>`;
}

function nextInWords({ enabled, nextRuns, recurrence }) {
  if (!enabled) return "Paused: no run is planned";
  const [next] = nextRuns;
  if (!next) return "There is no next run";
  return `Next: ${slotInWords(next.plannedAt, recurrence.timeZone)}, for ${coveredInWords(next.from, next.to, recurrence.timeZone)}`;
}

function lastInWords(runs) {
  if (runs === null) return "";
  return runs.length ? `Last: ${resultInWords(runs[0])}` : "It has not run yet.";
}

/** "2 hours ago · Ready · 417 rows"; a run that failed says why. */
function resultInWords(state) {
  const parts = [when(state.createdAt, Date.now()).replace(/^now$/, "just now"), statusInWords(state)];
  if (state.file) parts.push(rows(state.file.rows));
  else if (state.status === "error") parts.push(state.error.message);
  return parts.join(" · ");
}

/** The last few exports that it has made; null before they are known. */
function useRuns(client, id, news) {
  const [runs, setRuns] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    client.ask("GET", `/schedules/${id}/runs?limit=${SHOWN_RUNS}`, { signal: leaving.signal }).then(
      ({ state }) => setRuns(state.items),
      () => {}, // asked again with the next list
    );
    return () => leaving.abort();
  }, [id, news]);
  return runs;
}

function History({ client, runs }) {
  return html`<details>
    <summary>History</summary>
    <ul class="history">
      ${runs.map(
        (each) => html`<li key=${each.id}><span class="grow">${resultInWords(each)}</span>
          ${each.status === "done" && html`<a href=${client.downloadUrl(each.id)} download="" aria-label=${`Download ${each.file.name}`}>Download</a>`}</li>`,
      )}
    </ul>
  </details>`;
}
