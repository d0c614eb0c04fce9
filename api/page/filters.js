/** Fields for the report's parameters and filters above the table. */

import { Combobox } from "./combobox.js";
import { FilterField } from "./conditions.js";
import { PRESETS, presetChoices, presetOf, todayIn } from "./dates.js";
import { Field, Select } from "./field.js";
import { Draft } from "./filter-input.js";
import { day } from "./format.js";
import { html, useState } from "./html.js";
import { filterParameter, filtersOf, setParameter, zoneOf } from "./query.js";
import { t } from "./texts.js";

const PHONE = matchMedia("(max-width: 760px)");

export function Filters({ client, query, type, go, mistakes }) {
  const active = activeFilters(query, type);
  const [isOpen, setOpen] = useState(() => !PHONE.matches);
  const isWrong = type.filters.some((filter) => mistakeOf(mistakes, filter.name));
  return html`<form class="filters" aria-label=${t.filters} onSubmit=${(event) => event.preventDefault()}>
    <${Dates} ...${{ query, type, go }} />
    ${type.parameters.map(
      (parameter) => html`<${Field} key=${parameter.name} id="field-${parameter.name}" label=${t.parameters[parameter.name] ?? parameter.label} mistake=${mistakes[parameter.name]}
        hint=${!query.get(parameter.name) && hintOf(parameter)}>
        ${(attributes) => html`<${ParameterInput} ...${attributes} client=${client} parameter=${parameter} value=${query.get(parameter.name) ?? ""}
          onCommit=${(text) => go((next) => setParameter(next, parameter.name, text))} />`}
      <//>`,
    )}
    ${type.filters.length > 0 &&
    html`<button type="button" class="fold" aria-expanded=${isOpen || isWrong ? "true" : "false"} aria-controls="more-filters" onClick=${() => setOpen(!isOpen)}>
      ${active ? t.filtersActive(active) : t.filters} <span aria-hidden="true">▾</span></button>`}
    <div id="more-filters" class="more-filters ${isOpen || isWrong ? "" : "folded"}">
      ${type.filters.map(
        (filter) => html`<${FilterField} key=${filter.name} ...${{ filter, query, type, go }} zone=${zoneOf(query)} mistake=${mistakeOf(mistakes, filter.name)} />`,
      )}
    </div>
    ${active > 0 && html`<button type="button" class="link clear" onClick=${() => go((next) => clear(next, type))}>${t.clearFilters}</button>`}
  </form>`;
}

function Dates({ query, type, go }) {
  if (!type.parameters.some((parameter) => parameter.name === "from")) return null;
  const today = todayIn(zoneOf(query));
  const [from, to] = ["from", "to"].map((name) => day(query.get(name) ?? ""));
  const pick = (name) =>
    name &&
    go((next) => {
      const [first, last] = PRESETS[name](today);
      setParameter(next, "from", first);
      setParameter(next, "to", last);
    });
  return html`<${Select} id="date-preset" label=${t.dates} value=${presetOf(from, to, today)} onChange=${pick}
    choices=${[["", t.customDates], ...presetChoices(today, type.limits.maxDays)]} />`;
}

function ParameterInput({ client, parameter, value, ...attributes }) {
  if (!parameter.choices) return html`<${Draft} ...${attributes} ...${kindOf(parameter, value)} value=${day(value)} />`;
  return html`<${Combobox} ...${attributes} ...${{ client, value }} path=${parameter.choices} label=${parameter.label}
    isValue=${(text) => fits(text, parameter.pattern)} />`;
}

function kindOf(parameter, value) {
  if (parameter.type === "date" && (!value || isDay(day(value)))) return { type: "date", min: "1900-01-01", max: "2199-12-31" };
  return { type: "text", autocomplete: "off", spellcheck: false, class: parameter.pattern ? "id" : undefined };
}

/** Return whether the text is an existing date. Date inputs cannot contain anything else. */
function isDay(text) {
  const moment = new Date(`${text}T00:00:00Z`);
  return !isNaN(moment) && moment.toISOString().slice(0, 10) === text;
}

function hintOf(parameter) {
  if (parameter.type === "date") return t.chooseDate;
  return parameter.choices ? t.searchByName : t.enterId(parameter.label);
}

/** Return the number of active filters. */
const activeFilters = (query, type) => Object.keys(filtersOf(query, type)).length || (query.has("filters") ? 1 : 0);

/** Return the error of a filter or of one of its operators. */
const mistakeOf = (mistakes, name) => Object.entries(mistakes).find(([key]) => key.split("/")[0] === name)?.[1];

export function clear(next, type) {
  for (const name of new Set(next.keys())) if (filterParameter(name, type)) next.delete(name);
  for (const name of ["filters", "page", "cursor"]) next.delete(name);
}

/** Return errors that the page can detect without a request, by field name. */
export function ownMistakes(query, type) {
  const mistakes = {};
  for (const { name, label, pattern, choices } of type.parameters) {
    const text = query.get(name);
    if (!text || !pattern || fits(text, pattern)) continue;
    mistakes[name] = choices ? t.noneFound(label) : t.notAnId;
  }
  const [from, to] = ["from", "to"].map((name) => day(query.get(name) ?? ""));
  if (from.length === 10 && to.length === 10 && to < from) mistakes.to = t.endBeforeStart;
  return mistakes;
}

function fits(text, pattern) {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    return true; // only the server understands this pattern
  }
}

/** Errors in URL parameters that have no field. */
export function StrayMistakes({ mistakes, type, go }) {
  const fields = new Set([...type.parameters, ...type.filters].map((field) => field.name));
  const stray = Object.entries(mistakes).filter(([name]) => !fields.has(name.split("/")[0]));
  return stray.map(
    ([name, detail]) => html`<p key=${name} class="mistake stray" role="alert">
      <strong>${name || t.theAddress}</strong>: ${detail}${" "}
      <button type="button" class="link" onClick=${() => go((next) => next.delete(next.has(name) ? name : "filters"))}>${t.remove}</button>
    </p>`,
  );
}
