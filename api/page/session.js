/** The API key of this tab, and the form that asks for it. */

import { html, useState } from "./html.js";
import { t } from "./texts.js";

/** Path of the page without its trailing slash: "" or "/exports-app". */
export const BASE = new URL(".", location.href).pathname.replace(/\/$/, "");
const NAME = `report-exports key ${BASE}`;
const REFUSED = "report-exports:unauthorized";

export const currentKey = () => sessionStorage.getItem(NAME);
export const authorization = () => (currentKey() ? { Authorization: `Bearer ${currentKey()}` } : {});
export const forgetKey = () => sessionStorage.removeItem(NAME);

/** `fetch` that announces every 401, so that the page can ask for a key. */
export async function watchedFetch(...given) {
  const answer = await fetch(...given);
  if (answer.status === 401) dispatchEvent(new Event(REFUSED));
  return answer;
}

export function onRefused(act) {
  addEventListener(REFUSED, act);
  return () => removeEventListener(REFUSED, act);
}

export function SignIn({ onKey }) {
  const [key, setKey] = useState("");
  const [isRefused] = useState(() => currentKey() !== null);
  const submit = (event) => {
    event.preventDefault();
    if (!key.trim()) return;
    sessionStorage.setItem(NAME, key.trim());
    onKey();
  };
  return html`<form class="panel sign-in" onSubmit=${submit}>
    <h1>${t.signIn}</h1>
    <p class="quiet">${t.signInHint}</p>
    <div class="field">
      <label for="api-key">${t.apiKey}</label>
      <input id="api-key" type="password" class="wide" autocomplete="off" spellcheck="false" value=${key} onInput=${(event) => setKey(event.target.value)}
        aria-invalid=${isRefused ? "true" : undefined} aria-describedby=${isRefused ? "api-key-note" : undefined} />
      ${isRefused && html`<p id="api-key-note" class="mistake" role="alert">${t.keyRefused}</p>`}
    </div>
    <button type="submit" class="primary">${t.signIn}</button>
  </form>`;
}
