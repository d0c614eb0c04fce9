/** Store the API key for this tab and show the form to enter it. */

import { html, useState } from "./html.js";
import { sessionItems } from "./storage.js";
import { chosen, t } from "./texts.js";

/** Path of the page without a trailing slash, such as "/exports-app" or an empty string. */
export const BASE = new URL(".", location.href).pathname.replace(/\/$/, "");
const NAME = `report-exports key ${BASE}`;
const REFUSED = "report-exports:unauthorized";

export const currentKey = () => sessionItems.getItem(NAME);

/** Headers of each request: the key, and the language of the report's labels unless the browser's languages apply. */
export const requestHeaders = () => ({
  ...(currentKey() && { Authorization: `Bearer ${currentKey()}` }),
  ...(chosen && { "Accept-Language": chosen }),
});

export const forgetKey = () => sessionItems.removeItem(NAME);

/** `fetch` that also dispatches an event for status 401, so that the page can ask for a key. */
export async function watchedFetch(...args) {
  const response = await fetch(...args);
  if (response.status === 401) dispatchEvent(new Event(REFUSED));
  return response;
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
    sessionItems.setItem(NAME, key.trim());
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
