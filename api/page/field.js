/** A field with its label, and what is to be said of it beneath. */

import { html } from "./html.js";

/** `children` draws the control from the facts that tie it to its label and note. */
export function Field({ id, label, mistake, hint, children }) {
  const note = mistake || hint;
  const facts = { id, "aria-describedby": note ? `${id}-note` : undefined, "aria-invalid": mistake ? "true" : undefined };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(facts)}
    ${note && html`<p id="${id}-note" class=${mistake ? "mistake" : "quiet"}>${note}</p>`}
  </div>`;
}

/** `choices` are pairs of a value and what is shown for it. */
export function Select({ value, choices, onChange, ...field }) {
  return html`<${Field} ...${field}>
    ${(facts) => html`<select ...${facts} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${choices.map(([name, shown]) => html`<option key=${name} value=${name}>${shown}</option>`)}
    </select>`}
  <//>`;
}

export const zones = (kept) => [...new Set(["UTC", kept, ...Intl.supportedValuesOf("timeZone")])].map((each) => [each, each]);
