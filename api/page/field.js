/** A form field: label, control, and a hint or mistake below. */

import { html } from "./html.js";
import { isZone } from "./query.js";
import { t } from "./texts.js";

/** `children` renders the control with the attributes that tie it to its label and note. */
export function Field({ id, label, mistake, hint, children }) {
  const note = mistake || hint;
  const facts = { id, "aria-describedby": note ? `${id}-note` : undefined, "aria-invalid": mistake ? "true" : undefined };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(facts)}
    ${note && html`<p id="${id}-note" class=${mistake ? "mistake" : "quiet"}>${note}</p>`}
  </div>`;
}

/** `choices` are pairs of value and text. */
export function Select({ value, choices, onChange, ...field }) {
  return html`<${Field} ...${field}>
    ${(facts) => html`<select ...${facts} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${choices.map(([name, shown]) => html`<option key=${name} value=${name}>${shown}</option>`)}
    </select>`}
  <//>`;
}

const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((each) => each !== "UTC")];

/** An IANA time zone, searched by typing part of its name; `onChange` gets valid names only. */
export function ZoneField({ id, value, onChange, hint, mistake }) {
  const change = (event) => (isZone(event.target.value) ? onChange(event.target.value) : event.target.setAttribute("aria-invalid", "true"));
  const restore = (event) => (event.target.removeAttribute("aria-invalid"), isZone(event.target.value) || (event.target.value = value));
  return html`<${Field} id=${id} label=${t.timeZone} hint=${hint} mistake=${mistake}>
    ${(facts) => html`<input ...${facts} type="text" class="wide" list="${id}-list" autocomplete="off" spellcheck="false" placeholder=${t.typeToSearch}
        value=${value} onInput=${change} onFocus=${(event) => event.target.select()} onBlur=${restore} />
      <datalist id="${id}-list">${ZONES.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
  <//>`;
}
