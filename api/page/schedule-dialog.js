/** Dialog that creates or edits a schedule and previews its next runs. */

import { Dialog } from "./dialog.js";
import { Field, Select, ZoneField } from "./field.js";
import { formatOf, requestInWords } from "./format.js";
import { html, useEffect, useMemo, useState } from "./html.js";
import { mistakesOf } from "./query.js";
import { choiceOf, coveredInWords, cronOf, FREQUENCIES, PRESETS, rangeInWords, recurrenceInWords, slotInWords, USUAL_PRESET, WEEKDAYS } from "./schedule-text.js";
import { t } from "./texts.js";
import { ScopeTitles } from "./titles.js";

const PREVIEW_AFTER = 300; // milliseconds after the last change
const [CRON, UNCHANGED] = ["cron", "unchanged"]; // frequencies that the simple fields cannot express
const MONTHDAYS = Array.from({ length: 28 }, (_, place) => String(place + 1));
const FIRST = { frequency: "weekly", weekday: "MON", monthday: "1", time: "09:00", cron: "", onlyIfRows: false };

/** Return the initial form of a new schedule, which runs the request every Monday. */
export function newSchedule(request, type) {
  const { from, to, name, ...exported } = request;
  const zone = request.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const hasDays = type.parameters.some((parameter) => parameter.name === "from");
  const days = from && to ? { kind: "absolute", from, to } : null;
  return { ...FIRST, id: null, name: name ?? null, zone, exported, hasDays, days, range: null, recurrence: null };
}

/** Return the form of an existing schedule. */
export function savedSchedule({ id, name, recurrence, range, export: exported, onlyIfRows }) {
  const choice = recurrence.cron ? (choiceOf(recurrence.cron) ?? { frequency: CRON, cron: recurrence.cron }) : { frequency: UNCHANGED };
  const days = range?.kind === "absolute" ? range : null;
  return { ...FIRST, ...choice, id, name, zone: recurrence.timeZone, exported, hasDays: range !== null, days, range, recurrence, onlyIfRows };
}

/** Return the body of `POST /schedules`. */
function bodyOf(form, name) {
  const { frequency, zone, cron, recurrence, hasDays, exported, onlyIfRows } = form;
  const plain = { cron: frequency === CRON ? cron : frequency === UNCHANGED ? "" : cronOf(form) };
  const when = frequency === UNCHANGED ? recurrence : { ...plain, timeZone: zone };
  return { name, recurrence: when, ...(hasDays ? { range: rangeOf(form) } : {}), export: exported, onlyIfRows };
}

const rangeOf = ({ range, frequency }) => range ?? { kind: "relative", preset: USUAL_PRESET[frequency] ?? "yesterday" };
const choiceOfRange = (range) => (range.kind === "relative" ? range.preset : range.kind);

export function ScheduleDialog({ client, type, first, onSaved, onClose }) {
  const [form, setForm] = useState(first);
  const [refused, setRefused] = useState(null);
  const [isSaving, setSaving] = useState(false);
  const name = form.name ?? usualName(form, type);
  const body = bodyOf(form, name);
  const text = JSON.stringify(body);
  const key = useMemo(() => [...crypto.getRandomValues(new Uint32Array(4))].join("-"), [text]);
  const { runs, problem } = usePreview(client, form.time && name.trim() ? text : null);
  const change = (part) => (setForm((before) => ({ ...before, ...part })), setRefused(null));
  const own = { ...(name.trim() ? {} : { name: t.enterName }), ...(form.time ? {} : { time: t.chooseTime }) };
  const mistakes = { ...placed(problem), ...placed(refused), ...own };
  const isWrong = Object.keys(own).length > 0 || (problem !== null && !problem.passing);

  const save = (close) => async (event) => {
    event.preventDefault();
    if (isSaving || isWrong) return;
    setSaving(true);
    try {
      const { export: _, ...changes } = body;
      const saving = form.id
        ? client.ask("PATCH", `/schedules/${form.id}`, { body: changes })
        : client.ask("POST", "/schedules", { body, headers: { "Idempotency-Key": key } });
      const { state } = await saving;
      close();
      onSaved(state);
    } catch (error) {
      setRefused(error);
    }
    setSaving(false);
  };

  return html`<${Dialog} id="schedule" title=${form.id ? t.editSchedule : t.createSchedule} kind="schedule" onClose=${onClose}>
    ${(close) => html`<${ScopeTitles} ...${{ client, type }} request=${form.exported} />
      <p class="quiet">${type?.title ?? form.exported.report}, ${requestInWords(form.exported, type, t.noFilters)} · ${formatOf(form.exported)}</p>
      <form onSubmit=${save(close)}>
        <${Field} id="schedule-name" label=${t.name} mistake=${mistakes.name}>
          ${(attributes) => html`<input ...${attributes} type="text" class="wide" maxlength="200" autocomplete="off" value=${name} onInput=${(event) => change({ name: event.target.value })} />`}
        <//>
        <${When} ...${{ form, change, mistakes }} />
        ${form.hasDays &&
        html`<${Select} id="schedule-range" label=${t.eachRunCovers} value=${choiceOfRange(body.range)} choices=${ranges(form.days)} mistake=${mistakes.range}
          onChange=${(choice) => change({ range: rangeFrom(choice, form.days) })} />`}
        <label class="check"><input type="checkbox" checked=${form.onlyIfRows} onChange=${(event) => change({ onlyIfRows: event.target.checked })} />
          <span>${t.skipEmpty}</span></label>
        <${Advanced} ...${{ form, change, body }} mistake=${mistakes.cron} />
        <${NextRuns} runs=${isWrong ? null : runs} zone=${body.recurrence.timeZone} words=${form.time ? sentence(body) : ""} />
        ${mistakes.other && html`<p class="mistake" role="alert">${mistakes.other}</p>`}
        <div class="actions">
          <button type="submit" class="primary" aria-disabled=${isSaving || isWrong}>${form.id ? t.save : t.createSchedule}</button>
          <button type="button" onClick=${close}>${t.cancel}</button>
        </div>
      </form>`}
  <//>`;
}

const usualName = ({ frequency }, type) => t.usualName(frequency, type?.title ?? t.export);

const sentence = (body) => `${t.recurrenceForRange(recurrenceInWords(body.recurrence), rangeInWords(body.range))}.`;

function When({ form, change, mistakes }) {
  const { frequency, weekday, monthday, time, zone, recurrence } = form;
  const own = frequency === CRON ? [[CRON, t.customCron]] : [];
  if (recurrence && !recurrence.cron) own.push([UNCHANGED, recurrenceInWords(recurrence)]);
  const isPlain = frequency in FREQUENCIES;
  return html`<div class="when">
    <${Select} id="schedule-often" label=${t.howOften} value=${frequency} choices=${[...Object.entries(FREQUENCIES), ...own]} onChange=${(value) => change({ frequency: value })} />
    ${frequency === "weekly" && html`<${Select} id="schedule-weekday" label=${t.onWeekday} value=${weekday} choices=${Object.entries(WEEKDAYS)} onChange=${(value) => change({ weekday: value })} />`}
    ${frequency === "monthly" && html`<${Select} id="schedule-monthday" label=${t.onDay} value=${monthday} choices=${MONTHDAYS.map((number) => [number, number])} onChange=${(value) => change({ monthday: value })} />`}
    ${isPlain &&
    html`<${Field} id="schedule-time" label=${t.atTime} mistake=${mistakes.time}>
      ${(attributes) => html`<input ...${attributes} type="time" value=${time} onInput=${(event) => change({ time: event.target.value })} />`}
    <//>`}
    ${frequency !== UNCHANGED &&
    html`<${ZoneField} id="schedule-zone" value=${zone} mistake=${mistakes.zone} onChange=${(value) => change({ zone: value })} />`}
  </div>`;
}

/** Field for a cron expression. If possible, the expression is transferred to the simple fields. */
function Advanced({ form, change, body, mistake }) {
  const [isOpen] = useState(form.frequency === CRON);
  const [typed, setTyped] = useState(null); // the typed text, or null while the user is not typing
  const write = (text) => {
    setTyped(text);
    const choice = choiceOf(text);
    change(choice ? { ...choice, cron: text } : { frequency: CRON, cron: text });
  };
  return html`<details open=${isOpen}>
    <summary>${t.advanced}</summary>
    <${Field} id="schedule-cron" label=${t.cronExpression} mistake=${mistake} hint=${t.cronHint}>
      ${(attributes) => html`<input ...${attributes} type="text" class="id" autocomplete="off" spellcheck="false" value=${typed ?? body.recurrence.cron ?? ""}
        onInput=${(event) => write(event.target.value)} onBlur=${() => setTyped(null)} />`}
    <//>
  </details>`;
}

function NextRuns({ runs, zone, words }) {
  return html`<section class="next" aria-label=${t.nextRuns}>
    <p role="status">${words}</p>
    <ol>
      ${runs?.map(
        (run) => html`<li key=${run.plannedAt}><strong>${slotInWords(run.plannedAt, zone)}</strong>
          <span class="quiet">${t.covers(coveredInWords(run.from, run.to, zone))}</span></li>`,
      )}
    </ol>
    ${runs?.length === 0 && html`<p class="mistake">${t.noNextRun}</p>`}
  </section>`;
}

/** Return the latest preview as {runs, problem}. It is refreshed shortly after each change. */
function usePreview(client, text) {
  const [now, setNow] = useState({ runs: null, problem: null });
  useEffect(() => {
    if (text === null) return;
    const leaving = new AbortController();
    const look = () =>
      client.ask("POST", "/schedules/preview", { body: JSON.parse(text), signal: leaving.signal }).then(
        ({ state }) => setNow({ runs: state.runs, problem: null }),
        (problem) => leaving.signal.aborted || setNow({ runs: null, problem }),
      );
    const timer = setTimeout(look, PREVIEW_AFTER);
    return () => (clearTimeout(timer), leaving.abort());
  }, [text]);
  return now;
}

/** Return the messages of an error response by form field. */
function placed(problem) {
  if (!problem) return {};
  const messages = {};
  for (const [name, detail] of Object.entries(mistakesOf(problem.problem))) {
    const field = /^recurrence\/timeZone/.test(name) ? "zone" : /^recurrence/.test(name) ? "cron" : /^range/.test(name) ? "range" : name === "name" ? "name" : "other";
    messages[field] ??= detail;
  }
  return Object.keys(messages).length ? messages : { other: problem.message };
}

const ranges = (days) => [
  ...Object.entries(PRESETS),
  ["since-last", t.sinceLast],
  ...(days ? [["absolute", t.always(coveredInWords(days.from, days.to, "UTC"))]] : []),
];

function rangeFrom(choice, days) {
  if (choice === "absolute") return days;
  return choice === "since-last" ? { kind: choice } : { kind: "relative", preset: choice };
}
