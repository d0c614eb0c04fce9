/** The caller's schedules. */

import { ConfirmDialog } from "./confirm-dialog.js";
import { html, useEffect, useState } from "./html.js";
import { ListSection, useList } from "./list.js";
import { statusInWords } from "./my-exports.js";
import { newSchedule, savedSchedule, ScheduleDialog } from "./schedule-dialog.js";
import { coveredInWords, rangeInWords, recurrenceInWords, slotInWords } from "./schedule-words.js";
import { DEFAULT_REPORT } from "./query.js";
import { ScopeTitles } from "./titles.js";
import { rows, when } from "./words.js";

const REFRESH_AFTER = 60_000; // milliseconds
const SHOWN_RUNS = 5;
const NOTHING = "No schedules yet. Choose “Schedule…” next to an export or in the export options.";

export const useSchedules = (client, news) => useList(client, "/schedules", news, () => REFRESH_AFTER);

const typeOf = (types, { report = DEFAULT_REPORT }) => types.find((each) => each.name === report);

/** The open schedule dialog, if any: `asked` is {make: request}, {change: schedule}, {remove: schedule} or null. */
export function ScheduleDialogs({ client, types, asked, schedules, say, onClose }) {
  if (asked === null) return null;
  if (asked.remove) {
    const remove = async () => {
      await client.ask("DELETE", `/schedules/${asked.remove.id}`).catch((problem) => problem.status === 404 || say(problem.message));
      schedules.load();
    };
    return html`<${ConfirmDialog} title="Delete this schedule?" act="Delete" onConfirm=${remove} onClose=${onClose}>
      ${asked.remove.name} stops running. Exports it already created are kept.
    <//>`;
  }
  const type = typeOf(types, asked.make ?? asked.change.export);
  const first = asked.make ? newSchedule(asked.make, type) : savedSchedule(asked.change);
  const saved = (state) => {
    say(`Saved “${state.name}”. ${nextInWords(state)}.`);
    schedules.load();
  };
  return html`<${ScheduleDialog} ...${{ client, type, first, onClose }} onSaved=${saved} />`;
}

export function ScheduleList({ client, types, schedules, onRun, onChange, onDelete, onProblem }) {
  const pause = async ({ id, enabled }) => {
    await client.ask("PATCH", `/schedules/${id}`, { body: { enabled: !enabled } }).catch((problem) => onProblem(problem.message));
    schedules.load();
  };
  return html`<${ListSection} id="schedules" title="Schedules" list=${schedules} nothing=${NOTHING}>
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
    ${readOnly && html`<p class="quiet">Managed in prefect.yaml or Prefect.</p>`}
    <div class="actions">
      <button type="button" aria-label=${named("Run now")} onClick=${onRun}>Run now</button>
      ${own(enabled ? "Pause" : "Resume", onPause)} ${own("Edit…", onChange)} ${own("Delete", onDelete)}
    </div>
    ${runs?.length > 0 && html`<${History} client=${client} runs=${runs} />`}
  </li>`;
}

function nextInWords({ enabled, nextRuns, recurrence }) {
  if (!enabled) return "Paused";
  const [next] = nextRuns;
  if (!next) return "No next run";
  return `Next run: ${slotInWords(next.plannedAt, recurrence.timeZone)}, for ${coveredInWords(next.from, next.to, recurrence.timeZone)}`;
}

function lastInWords(runs) {
  if (runs === null) return "";
  return runs.length ? `Last run: ${resultInWords(runs[0])}` : "No runs yet.";
}

/** "2 hours ago · Ready · 417 rows"; for a failed run, the reason instead of the rows. */
function resultInWords(state) {
  const parts = [when(state.createdAt, Date.now()).replace(/^now$/, "just now"), statusInWords(state)];
  if (state.file) parts.push(rows(state.file.rows));
  else if (state.status === "error") parts.push(state.error.message);
  return parts.join(" · ");
}

/** The schedule's latest runs; null until loaded. */
function useRuns(client, id, news) {
  const [runs, setRuns] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    client.ask("GET", `/schedules/${id}/runs?limit=${SHOWN_RUNS}`, { signal: leaving.signal }).then(
      ({ state }) => setRuns(state.items),
      () => {}, // retried with the next list
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
