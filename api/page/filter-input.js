/** Inputs for the values of a filter. */

import { html, useLayoutEffect, useState } from "./html.js";
import { textsOf, valuesOf } from "./query.js";
import { t } from "./texts.js";

/** Text input that keeps its draft until it is committed, even if the page rerenders. */
export function Draft({ value, onCommit, ...attributes }) {
  const [draft, setDraft] = useState(value);
  useLayoutEffect(() => setDraft(value), [value]);
  const commit = (event) => {
    const { value: text, validity } = event.target;
    if (validity.rangeUnderflow || validity.rangeOverflow || validity.badInput) return;
    if (text.trim() !== value) onCommit(text.trim());
  };
  return html`<input ...${attributes} value=${draft} onInput=${(event) => setDraft(event.target.value)} onChange=${commit} />`;
}

/** Input for one or several values, or a menu of the declared choices. `value` is a JSON value or a list of them. */
export function FilterInput({ filter, value, onCommit, ...attributes }) {
  const values = textsOf(value);
  const commit = (texts) => onCommit(valuesOf(texts, filter.type));
  const choices = filter.type === "boolean" ? ["true", "false"] : filter.choices?.map(String);
  if (!choices) {
    const split = (text) => commit(text.split(",").map((part) => part.trim()).filter(Boolean));
    return html`<${Draft} ...${attributes} type="text" placeholder=${t.any} autocomplete="off" value=${values.join(", ")} onCommit=${split} />`;
  }
  const several = values.length > 1 || (values.length === 1 && !choices.includes(values[0]));
  const pick = (event) => commit(event.target.value ? [event.target.value] : []);
  return html`<select ...${attributes} value=${several ? values.join("\n") : (values[0] ?? "")} onChange=${pick}>
    <option value="">${t.any}</option>
    ${choices.map((choice) => html`<option key=${choice} value=${choice}>${shownChoice(choice, filter.type)}</option>`)}
    ${several && html`<option value=${values.join("\n")}>${values.join(t.or)}</option>`}
  </select>`;
}

function shownChoice(text, kind) {
  if (kind === "boolean") return text === "true" ? t.Yes : t.No;
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
