/** The fields above the table, drawn from what the report declares. */

import { Combobox } from "./combobox.js";
import { Field } from "./field.js";
import { html, useEffect, useState } from "./html.js";
import { setFilter, setParameter, shownValues } from "./query.js";
import { day } from "./words.js";

export function Filters({ client, query, type, go, mistakes }) {
  return html`<form class="filters" aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
    ${type.parameters.map(
      (each) => html`<${Field} key=${each.name} id="field-${each.name}" label=${each.label} mistake=${mistakes[each.name]}
        hint=${!query.get(each.name) && hintOf(each)}>
        ${(facts) => html`<${ParameterInput} ...${facts} client=${client} parameter=${each} value=${query.get(each.name) ?? ""}
          onCommit=${(text) => go((next) => setParameter(next, each.name, text))} />`}
      <//>`,
    )}
    ${type.filters.map(
      (each) => html`<${Field} key=${each.name} id="field-${each.name}" label=${each.label} mistake=${mistakes[each.name]}>
        ${(facts) => html`<${FilterInput} ...${facts} filter=${each} values=${shownValues(query, type, each.name)}
          onCommit=${(values) => go((next) => setFilter(next, type, each.name, values))} />`}
      <//>`,
    )}
    ${hasFilters(query, type) &&
    html`<button type="button" class="link clear" onClick=${() => go((next) => clear(next, type))}>Clear filters</button>`}
  </form>`;
}

function ParameterInput({ client, parameter, value, ...facts }) {
  if (!parameter.choices) return html`<${Draft} ...${facts} ...${kindOf(parameter, value)} value=${day(value)} />`;
  return html`<${Combobox} ...${facts} ...${{ client, value }} path=${parameter.choices} label=${parameter.label}
    isValue=${(text) => fits(text, parameter.pattern)} />`;
}

/** Keeps what is being typed until it is committed, whatever else is drawn meanwhile. */
function Draft({ value, onCommit, ...facts }) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const commit = (event) => {
    const { value: text, validity } = event.target;
    if (validity.rangeUnderflow || validity.rangeOverflow || validity.badInput) return;
    if (text.trim() !== value) onCommit(text.trim());
  };
  return html`<input ...${facts} value=${draft} onInput=${(event) => setDraft(event.target.value)} onChange=${commit} />`;
}

function FilterInput({ filter, values, onCommit, ...facts }) {
  const choices = filter.type === "boolean" ? ["true", "false"] : filter.choices?.map(String);
  if (!choices) {
    const split = (text) => onCommit(text.split(",").map((each) => each.trim()).filter(Boolean));
    return html`<${Draft} ...${facts} type="text" placeholder="Any" autocomplete="off" value=${values.join(", ")} onCommit=${split} />`;
  }
  const several = values.length > 1 || (values.length === 1 && !choices.includes(values[0]));
  const pick = (event) => onCommit(event.target.value ? [event.target.value] : []);
  return html`<select ...${facts} value=${several ? values.join("\n") : (values[0] ?? "")} onChange=${pick}>
    <option value="">Any</option>
    ${choices.map((each) => html`<option key=${each} value=${each}>${shownChoice(each, filter.type)}</option>`)}
    ${several && html`<option value=${values.join("\n")}>${values.join(" or ")}</option>`}
  </select>`;
}

function shownChoice(text, kind) {
  if (kind === "boolean") return text === "true" ? "Yes" : "No";
  return text[0].toUpperCase() + text.slice(1);
}

function kindOf(parameter, value) {
  if (parameter.type === "date" && (!value || isDay(day(value)))) return { type: "date", min: "1900-01-01", max: "2199-12-31" };
  return { type: "text", autocomplete: "off", spellcheck: false, class: parameter.pattern ? "id" : undefined };
}

/** A date field can hold nothing else. */
function isDay(text) {
  const moment = new Date(`${text}T00:00:00Z`);
  return !isNaN(moment) && moment.toISOString().slice(0, 10) === text;
}

function hintOf(parameter) {
  if (parameter.type === "date") return "Choose a date";
  const label = parameter.label.toLowerCase();
  return parameter.choices ? "Search by name or ID" : `Enter the ${label} ID`;
}

const hasFilters = (query, type) => query.has("filters") || type.filters.some((each) => query.has(each.name));

export function clear(next, type) {
  for (const name of [...type.filters.map((each) => each.name), "filters", "page", "cursor"]) next.delete(name);
}

/** What is wrong before anything is asked. */
export function ownMistakes(query, type) {
  const found = {};
  for (const { name, label, pattern, choices } of type.parameters) {
    const text = query.get(name);
    if (!text || !pattern || fits(text, pattern)) continue;
    found[name] = choices ? `No ${label.toLowerCase()} found` : "Not a valid ID";
  }
  const [from, to] = ["from", "to"].map((name) => day(query.get(name) ?? ""));
  if (from.length === 10 && to.length === 10 && to < from) found.to = "End date is before start date";
  return found;
}

function fits(text, pattern) {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    return true; // a pattern that only the server understands
  }
}

/** Mistakes in parts of the address that no field shows. */
export function StrayMistakes({ mistakes, type, go }) {
  const fields = new Set([...type.parameters, ...type.filters].map((each) => each.name));
  const stray = Object.entries(mistakes).filter(([name]) => !fields.has(name));
  return stray.map(
    ([name, detail]) => html`<p key=${name} class="mistake stray" role="alert">
      <strong>${name || "The address"}</strong>: ${detail}${" "}
      <button type="button" class="link" onClick=${() => go((next) => next.delete(next.has(name) ? name : "filters"))}>Remove</button>
    </p>`,
  );
}

