/** Titles of scope values, such as survey names; each is looked up once. */

import { html, useEffect, useState } from "./html.js";

const asked = new Map(); // look-up path → promise of the title

const addressOf = (path, value) => `${path}?search=${encodeURIComponent(value)}`;

export const learn = (path, { value, title }) => asked.set(addressOf(path, value), Promise.resolve(title));

function titleOf(client, path, value) {
  const address = addressOf(path, value);
  if (!asked.has(address)) {
    const title = client.ask("GET", address).then(({ state }) => state.items.find((each) => each.value === value)?.title ?? value);
    asked.set(address, title);
    title.catch(() => asked.delete(address));
  }
  return asked.get(address);
}

/** The value's title; null while it loads, the value itself without a path or without a title. */
export function useTitleOf(client, path, value) {
  const [known, setKnown] = useState({});
  useEffect(() => {
    if (!path || !value) return;
    let isLeft = false;
    const set = (title) => isLeft || setKnown({ value, title });
    titleOf(client, path, value).then(set, () => set(value));
    return () => (isLeft = true);
  }, [path, value]);
  if (!path || !value) return value;
  return known.value === value ? known.title : null;
}

/** The titles of a request's scopes, such as its survey. */
export function ScopeTitles({ client, type, request }) {
  const scopes = type?.parameters.filter((each) => each.pattern && request[each.name]) ?? [];
  return scopes.map((each) => html`<${ScopeTitle} key=${each.name} client=${client} path=${each.choices} value=${request[each.name]} />`);
}

const ScopeTitle = ({ client, path, value }) => html`<p class="quiet">${useTitleOf(client, path, value) ?? "\u00a0"}</p>`;
