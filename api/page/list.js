/** Paged lists from the API that refresh while the tab is visible. */

import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { t } from "./texts.js";

const PAGE = 5;
const [SEARCH_PAGE, MAX_SEARCHED] = [100, 1000];
const RETRY_AFTER = 5000; // milliseconds

/** Fetch a page. With `matches`, fetch the matching items among the newest MAX_SEARCHED instead. */
async function fetchPage(client, path, query, cursor, matches) {
  const get = async (limit, from) => (await client.ask("GET", `${path}?${new URLSearchParams({ ...query, limit, ...(from ? { cursor: from } : {}) })}`)).state;
  if (!matches) return get(PAGE, cursor);
  const items = [];
  for (let seen = 0, from = null; seen < MAX_SEARCHED; seen += SEARCH_PAGE) {
    const state = await get(SEARCH_PAGE, from);
    items.push(...state.items.filter(matches));
    from = state.nextCursor;
    if (!from) break;
  }
  return { items, nextCursor: null };
}

/**
 * Load a list and reload it when `news`, the query or the page changes. While the tab is visible, the list is also
 * reloaded `pauseAfter(items)` milliseconds after each load. `items` is null until the first load.
 */
export function useList(client, path, { query = {}, matches = null, search = "", news = "", pauseAfter }) {
  const [now, setNow] = useState({ items: null, nextCursor: null, failed: false });
  const [cursors, setCursors] = useState([null]); // cursors of all pages up to the current one
  const latest = useRef(0);
  const cursor = cursors.at(-1);
  const requested = JSON.stringify([query, search, cursor]);
  const load = useCallback(async () => {
    const turn = (latest.current += 1);
    const set = (change) => turn === latest.current && setNow((before) => ({ ...before, ...change }));
    await fetchPage(client, path, query, cursor, matches).then(
      (state) => set({ ...state, failed: false }),
      () => set({ failed: true }),
    );
  }, [path, requested]);
  const previous = useRef(JSON.stringify([query, search]));
  useEffect(() => {
    if (previous.current === JSON.stringify([query, search])) return;
    previous.current = JSON.stringify([query, search]);
    setCursors([null]);
  }, [requested]);
  useEffect(() => void load(), [news, requested]);
  useEffect(() => {
    const refresh = () => document.hidden || load();
    const timer = setTimeout(refresh, now.failed ? RETRY_AFTER : pauseAfter(now.items ?? []));
    document.addEventListener("visibilitychange", refresh);
    return () => (clearTimeout(timer), document.removeEventListener("visibilitychange", refresh));
  }, [now, load]);
  const older = now.nextCursor ? () => setCursors([...cursors, now.nextCursor]) : null;
  const newer = cursors.length > 1 ? () => setCursors(cursors.slice(0, -1)) : null;
  return { ...now, load, older, newer };
}

/** A list with a heading. `children` renders an item. `nothing` is the text for an empty list. */
export function ListSection({ id, title, list, nothing, tools, children }) {
  return html`<section class="mine" aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${tools}
    ${list.failed && html`<p class="mistake" role="status">${t.refreshFailed}</p>`}
    ${list.items === null && !list.failed && html`<p class="quiet">${t.loading}</p>`}
    ${list.items?.length === 0 && html`<p class="quiet">${nothing}</p>`}
    <ul>${list.items?.map(children)}</ul>
    ${(list.newer || list.older) &&
    html`<nav class="actions" aria-label=${t.pagesOf(title)}>
      <button type="button" aria-disabled=${!list.newer} onClick=${() => list.newer?.()}>${t.newer}</button>
      <button type="button" aria-disabled=${!list.older} onClick=${() => list.older?.()}>${t.older}</button>
    </nav>`}
  </section>`;
}
