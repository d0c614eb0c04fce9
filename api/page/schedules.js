/** The list of the caller's schedules and its dialogs. */

import { ConfirmDialog } from "./dialog.js";
import { DownloadLink } from "./download.js";
import { causeOf } from "./failure.js";
import { dateRange, rows, when } from "./format.js";
import { html, useEffect, useState } from "./html.js";
import { ListSection, useList } from "./list.js";
import { statusInWords } from "./my-exports.js";
import { newSchedule, savedSchedule, ScheduleDialog } from "./schedule-dialog.js";
import { coveredInWords, rangeInWords, recurrenceInWords, slotInWords } from "./schedule-text.js";
import { t } from "./texts.js";
import { ScopeTitles } from "./titles.js";

const REFRESH_AFTER = 60_000; // milliseconds
const SHOWN_RUNS = 5;

export const useSchedules = (client, news) => useList(client, "/schedules", { news, pauseAfter: () => REFRESH_AFTER });

const typeOf = (types, { report }) => types.find((type) => (report ? type.name === report : type.default));

/** The open dialog, if any. `action` is {make: request}, {change: schedule}, {remove: schedule} or null. */
export function ScheduleDialogs({ client, types, action, schedules, say, onClose }) {
  if (action === null) return null;
  if (action.remove) {
    const remove = async () => {
      await client.ask("DELETE", `/schedules/${action.remove.id}`).catch((problem) => problem.status === 404 || say(problem.message));
      schedules.load();
    };
    return html`<${ConfirmDialog} title=${t.deleteSchedule} act=${t.delete} onConfirm=${remove} onClose=${onClose}>${t.deleteScheduleNote(action.remove.name)}<//>`;
  }
  const type = typeOf(types, action.make ?? action.change.export);
  const first = action.make ? newSchedule(action.make, type) : savedSchedule(action.change);
  const saved = (state) => {
    say(`${t.saved(state.name)} ${nextInWords(state)}.`);
    schedules.load();
  };
  return html`<${ScheduleDialog} ...${{ client, type, first, onClose }} onSaved=${saved} />`;
}

export function ScheduleList({ client, types, schedules, onRun, onChange, onDelete, onProblem }) {
  const pause = async ({ id, enabled }) => {
    await client.ask("PATCH", `/schedules/${id}`, { body: { enabled: !enabled } }).catch((problem) => onProblem(problem.message));
    schedules.load();
  };
  return html`<${ListSection} id="schedules" title=${t.schedules} list=${schedules} nothing=${t.noSchedules}>
    ${(schedule) => html`<${Item} key=${schedule.id} ...${{ client, types, onProblem }} news=${schedules.items} schedule=${schedule} onPause=${() => pause(schedule)}
      onRun=${() => onRun(schedule)} onChange=${() => onChange(schedule)} onDelete=${() => onDelete(schedule)} />`}
  <//>`;
}

function Item({ client, types, news, schedule, onPause, onRun, onChange, onDelete, onProblem }) {
  const { name, enabled, readOnly, recurrence, range } = schedule;
  const runs = useRuns(client, schedule.id, news);
  const type = typeOf(types, schedule.export);
  const named = (verb) => `${verb} ${name}`;
  const own = (text, act) => readOnly || html`<button type="button" aria-label=${named(text)} onClick=${act}>${text}</button>`;
  return html`<li>
    <div class="head"><strong>${name}</strong><span class="badge ${enabled ? "" : "cancelled"}">${enabled ? t.on : t.paused}</span></div>
    <${ScopeTitles} ...${{ client, type }} request=${schedule.export} />
    <p class="quiet">${recurrenceInWords(recurrence)} · ${rangeInWords(range)}</p>
    <p class="quiet">${nextInWords(schedule)}</p>
    <p class="quiet">${lastInWords(runs)}</p>
    ${readOnly && html`<p class="quiet">${t.managedElsewhere}</p>`}
    <div class="actions">
      <button type="button" aria-label=${named(t.runNow)} onClick=${onRun}>${t.runNow}</button>
      ${own(enabled ? t.pause : t.resume, onPause)} ${own(t.edit, onChange)} ${own(t.delete, onDelete)}
    </div>
    ${runs?.length > 0 && html`<${History} ...${{ client, runs, onProblem }} />`}
  </li>`;
}

function nextInWords({ enabled, nextRuns, recurrence }) {
  if (!enabled) return t.paused;
  const [next] = nextRuns;
  if (!next) return t.noNextRun;
  return t.nextRun(slotInWords(next.plannedAt, recurrence.timeZone), coveredInWords(next.from, next.to, recurrence.timeZone));
}

function lastInWords(runs) {
  if (runs === null) return "";
  return runs.length ? t.lastRun(resultInWords(runs[0])) : t.noRuns;
}

/** Describe a run, such as "2 hours ago · Ready · 417 rows". Failed runs show the cause instead of the rows. */
function resultInWords(state) {
  const parts = [when(state.createdAt, Date.now()), statusInWords(state)];
  if (state.file) parts.push(rows(state.file.rows));
  else if (state.status === "error") parts.push(causeOf(state.error));
  return parts.join(" · ");
}

/** Return the latest runs of the schedule, or null until they are loaded. */
function useRuns(client, id, news) {
  const [runs, setRuns] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    client.ask("GET", `/schedules/${id}/runs?limit=${SHOWN_RUNS}`, { signal: leaving.signal }).then(
      ({ state }) => setRuns(state.items),
      () => {}, // retried when the list of schedules is refreshed
    );
    return () => leaving.abort();
  }, [id, news]);
  return runs;
}

const coveredBy = ({ request: { from, to } }) => (from && to ? `${dateRange(from, to)} · ` : "");

function History({ client, runs, onProblem }) {
  return html`<details>
    <summary>${t.history}</summary>
    <ul class="history">
      ${runs.map(
        (run) => html`<li key=${run.id}><span class="grow">${coveredBy(run)}${resultInWords(run)}</span>
          ${run.status === "done" && html`<${DownloadLink} ...${{ client, onProblem }} id=${run.id} label=${`${t.download} ${run.file.name}`}>${t.download}<//>`}</li>`,
      )}
    </ul>
  </details>`;
}
