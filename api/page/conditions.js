/** Conditions of a filter, such as {"gte": 100, "lte": 500}, and the menu that chooses between them. */

import { instantIn, localIn } from "./dates.js";
import { Draft, FilterInput } from "./filter-input.js";
import { conditionsInWords } from "./format.js";
import { html, useLayoutEffect, useState } from "./html.js";
import { filtersOf, isConditions, setFilter, typed } from "./query.js";
import { t } from "./texts.js";

/** The operators that each entry of the menu needs. */
const NEEDED = { is: [], contains: ["contains"], between: ["gte", "lte"], not: ["not"], empty: ["null"], filled: ["null"] };
const WITHOUT_INPUT = { empty: { null: true }, filled: { null: false } };
const INPUTS = { date: { type: "date" }, "date-time": { type: "datetime-local", step: 1 } };

const entriesFor = ({ operators }) => Object.keys(NEEDED).filter((entry) => NEEDED[entry].every((name) => operators.includes(name)));

/** Return the menu entry for a filter's value. "other" is a combination that the fields cannot show. */
function entryOf(value) {
  if (!isConditions(value)) return "is";
  const names = Object.keys(value);
  if (names.every((name) => NEEDED.between.includes(name))) return "between";
  if (names.length > 1) return "other";
  if (names[0] === "null") return value.null ? "empty" : "filled";
  return names[0] in NEEDED ? names[0] : "other";
}

/** A filter with a menu of conditions. */
export function FilterField({ filter, query, type, go, zone, mistake }) {
  const value = filtersOf(query, type)[filter.name];
  const actual = value === undefined ? null : entryOf(value);
  const [entry, setEntry] = useState(actual ?? "is");
  useLayoutEffect(() => void (actual && setEntry(actual)), [actual]);
  const commit = (next) => go((address) => setFilter(address, type, filter.name, next));
  const choose = ({ target }) => {
    setEntry(target.value);
    const next = converted(value, target.value);
    if (next !== undefined || value !== undefined) commit(next);
  };
  const id = `field-${filter.name}`;
  const hasInput = !(entry in WITHOUT_INPUT) && entry !== "other";
  const attributes = { id, "aria-describedby": mistake ? `${id}-note` : undefined, "aria-invalid": mistake ? "true" : undefined };
  const entries = [...entriesFor(filter), ...(entry === "other" ? ["other"] : [])];
  return html`<div class="field">
    <div class="labelled">
      <label for=${hasInput ? id : `${id}-condition`}>${filter.label}</label>
      ${entries.length > 1 &&
      html`<select id="${id}-condition" class="condition" aria-label=${t.conditionFor(filter.label)} value=${entry} onChange=${choose}>
        ${entries.map((name) => html`<option key=${name} value=${name}>${t.conditions[name]}</option>`)}
      </select>`}
    </div>
    ${hasInput && html`<${ConditionInput} ...${attributes} ...${{ entry, filter, value, zone }} onCommit=${commit} />`}
    ${entry === "other" && html`<p class="quiet">${conditionsInWords(value)}</p>`}
    ${mistake && html`<p id="${id}-note" class="mistake">${mistake}</p>`}
  </div>`;
}

/** Return the value after another menu entry was chosen. Only "is" and "is not" share their values. */
function converted(value, entry) {
  if (entry in WITHOUT_INPUT) return WITHOUT_INPUT[entry];
  const shared = isConditions(value) ? value.not : value;
  if (shared === undefined || !["is", "not"].includes(entry)) return undefined;
  return entry === "not" ? { not: shared } : shared;
}

function ConditionInput({ entry, filter, value, zone, onCommit, ...attributes }) {
  const conditions = isConditions(value) ? value : {};
  if (entry === "between") return html`<${Between} ...${attributes} ...${{ filter, conditions, zone, onCommit }} />`;
  if (entry === "contains") {
    return html`<${Draft} ...${attributes} type="text" autocomplete="off" value=${conditions.contains ?? ""}
      onCommit=${(text) => onCommit(text ? { contains: text } : undefined)} />`;
  }
  const values = entry === "not" ? conditions.not : isConditions(value) ? undefined : value;
  return html`<${FilterInput} ...${attributes} filter=${filter} value=${values}
    onCommit=${(next) => onCommit(entry === "not" && next !== undefined ? { not: next } : next)} />`;
}

/** Two fields for the first and the last value. Either may stay empty. */
function Between({ filter, conditions, zone, onCommit, id, ...attributes }) {
  const isMoment = filter.type === "date-time";
  const shown = (operator) => {
    const value = conditions[operator];
    if (value === undefined) return "";
    return isMoment ? localIn(value, zone) : String(value);
  };
  const commit = (operator, text) => {
    const { [operator]: _, ...rest } = conditions;
    const next = text ? { ...rest, [operator]: isMoment ? instantIn(text, zone) : typed(text, filter.type) } : rest;
    onCommit(Object.keys(next).length ? next : undefined);
  };
  const field = (operator, own, label) => html`<${Draft} ...${attributes} ...${INPUTS[filter.type] ?? { type: "text", inputmode: "decimal" }} id=${own}
    autocomplete="off" aria-label=${label} placeholder=${operator === "gte" ? t.from : t.to} value=${shown(operator)} onCommit=${(text) => commit(operator, text)} />`;
  return html`<div class="pair">${field("gte", id, t.fromOf(filter.label))}${field("lte", `${id}-to`, t.toOf(filter.label))}</div>`;
}
