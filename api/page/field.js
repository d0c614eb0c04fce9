/** Form fields with a label and a hint or error message. */

import { html } from "./html.js";
import { isZone } from "./query.js";
import { t } from "./texts.js";

/** `children` renders the control with attributes that link it to its label and note. */
export function Field({ id, label, mistake, hint, children }) {
  const note = mistake || hint;
  const attributes = { id, "aria-describedby": note ? `${id}-note` : undefined, "aria-invalid": mistake ? "true" : undefined };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(attributes)}
    ${note && html`<p id="${id}-note" class=${mistake ? "mistake" : "quiet"}>${note}</p>`}
  </div>`;
}

/** `choices` are [value, text] pairs. */
export function Select({ value, choices, onChange, ...field }) {
  return html`<${Field} ...${field}>
    ${(attributes) => html`<select ...${attributes} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${choices.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
    </select>`}
  <//>`;
}

const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];

/** Field for an IANA time zone with suggestions. `onChange` is called only with valid names. */
export function ZoneField({ id, value, onChange, hint, mistake }) {
  const change = (event) => (isZone(event.target.value) ? onChange(event.target.value) : event.target.setAttribute("aria-invalid", "true"));
  const restore = (event) => (event.target.removeAttribute("aria-invalid"), isZone(event.target.value) || (event.target.value = value));
  return html`<${Field} id=${id} label=${t.timeZone} hint=${hint} mistake=${mistake}>
    ${(attributes) => html`<input ...${attributes} type="text" class="wide" list="${id}-list" autocomplete="off" spellcheck="false" placeholder=${t.typeToSearch}
        value=${value} onInput=${change} onFocus=${(event) => event.target.select()} onBlur=${restore} />
      <datalist id="${id}-list">${ZONES.map((zone) => html`<option key=${zone} value=${zone} />`)}</datalist>`}
  <//>`;
}
