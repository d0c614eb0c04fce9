/** What people call the values of scopes, such as surveys; each is looked up once. */

import { html, useEffect, useState } from "./html.js";

const asked = new Map(); // the look-up's address → the promise of the title

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

/** The value itself while, or where, it has no title; nothing is asked without a path. */
export function useTitleOf(client, path, value) {
  const [known, setKnown] = useState({});
  useEffect(() => {
    if (!path || !value) return;
    let isLeft = false;
    titleOf(client, path, value).then((title) => isLeft || setKnown({ value, title }), () => {});
    return () => (isLeft = true);
  }, [path, value]);
  return known.value === value ? known.title : value;
}

/** Which survey, or the like, a request is about. */
export function ScopeTitles({ client, type, request }) {
  const scopes = type?.parameters.filter((each) => each.pattern && request[each.name]) ?? [];
  return scopes.map((each) => html`<${ScopeTitle} key=${each.name} client=${client} path=${each.choices} value=${request[each.name]} />`);
}

const ScopeTitle = ({ client, path, value }) => html`<p class="quiet">${useTitleOf(client, path, value)}</p>`;
