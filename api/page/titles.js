/** Look up the titles of scope values, such as survey names, and cache them. */

import { html, useEffect, useState } from "./html.js";

const titles = new Map(); // promises of titles by request path

const addressOf = (path, value) => `${path}?search=${encodeURIComponent(value)}`;

export const learn = (path, { value, title }) => titles.set(addressOf(path, value), Promise.resolve(title));

function titleOf(client, path, value) {
  const address = addressOf(path, value);
  if (!titles.has(address)) {
    const title = client.ask("GET", address).then(({ state }) => state.items.find((item) => item.value === value)?.title ?? value);
    titles.set(address, title);
    title.catch(() => titles.delete(address));
  }
  return titles.get(address);
}

/** Return the title of the value, or null while it loads. Without a path or title, return the value itself. */
export function useTitleOf(client, path, value) {
  const [loaded, setLoaded] = useState({});
  useEffect(() => {
    if (!path || !value) return;
    let isLeft = false;
    const set = (title) => isLeft || setLoaded({ value, title });
    titleOf(client, path, value).then(set, () => set(value));
    return () => (isLeft = true);
  }, [path, value]);
  if (!path || !value) return value;
  return loaded.value === value ? loaded.title : null;
}

/** The titles of a request's scopes, such as its survey. */
export function ScopeTitles({ client, type, request }) {
  const scopes = type?.parameters.filter((parameter) => parameter.pattern && request[parameter.name]) ?? [];
  return scopes.map((parameter) => html`<${ScopeTitle} key=${parameter.name} client=${client} path=${parameter.choices} value=${request[parameter.name]} />`);
}

const ScopeTitle = ({ client, path, value }) => html`<p class="quiet">${useTitleOf(client, path, value) ?? "\u00a0"}</p>`;
