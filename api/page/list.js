/** Paged lists from the API that refresh while the tab is visible. */

import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { t } from "./texts.js";

const PAGE = 5;
const MAX_READS = 20; // requests per page of a filtered list, whose responses may contain fewer items
const RETRY_AFTER = 5000; // milliseconds

/** Fetch a page. Stop when `isCurrent` returns false. */
async function fetchPage(client, path, query, cursor, isCurrent) {
  const items = [];
  for (let reads = 0; reads < MAX_READS && isCurrent(); reads += 1) {
    const limit = PAGE - items.length;
    const { state } = await client.ask("GET", `${path}?${new URLSearchParams({ ...query, limit, ...(cursor ? { cursor } : {}) })}`);
    items.push(...state.items);
    cursor = state.nextCursor;
    if (!cursor || items.length >= PAGE) break;
  }
  return { items, nextCursor: cursor };
}

/**
 * Load a list and reload it when `news`, the query or the page changes. While the tab is visible, the list is also
 * reloaded `pauseAfter(items)` milliseconds after each load. `items` is null until the first load.
 */
export function useList(client, path, { query = {}, news = "", pauseAfter }) {
  const [now, setNow] = useState({ items: null, nextCursor: null, failed: false });
  const [cursors, setCursors] = useState([null]); // cursors of all pages up to the current one
  const latest = useRef(0);
  const cursor = cursors.at(-1);
  const requested = JSON.stringify([query, cursor]);
  const load = useCallback(async () => {
    const turn = (latest.current += 1);
    const set = (change) => turn === latest.current && setNow((before) => ({ ...before, ...change }));
    await fetchPage(client, path, query, cursor, () => turn === latest.current).then(
      (state) => set({ ...state, failed: false }),
      () => set({ failed: true }),
    );
  }, [path, requested]);
  const previous = useRef(JSON.stringify(query));
  useEffect(() => {
    if (previous.current === JSON.stringify(query)) return;
    previous.current = JSON.stringify(query);
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
