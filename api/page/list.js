/** A list from the API, newest first, refreshed at intervals. */

import { html, useCallback, useEffect, useRef, useState } from "./html.js";

const [FIRST, MORE, MOST] = [5, 20, 100];

/**
 * Reload when `news` changes, and `pauseAfter(items)` milliseconds after each load while the tab is visible.
 * `items` is null until the first load.
 */
export function useList(client, path, news, pauseAfter) {
  const [now, setNow] = useState({ items: null, nextCursor: null, failed: false });
  const limit = useRef(FIRST);
  const load = useCallback(async () => {
    try {
      const { state } = await client.ask("GET", `${path}?limit=${limit.current}`);
      setNow({ ...state, failed: false });
    } catch {
      setNow((before) => ({ ...before, failed: true }));
    }
  }, [path]);
  useEffect(() => void load(), [news]);
  useEffect(() => {
    const timer = setTimeout(() => document.hidden || load(), pauseAfter(now.items ?? []));
    return () => clearTimeout(timer);
  }, [now]);
  const more = () => ((limit.current = Math.min(MOST, limit.current + MORE)), load());
  return { ...now, load, more: now.nextCursor && now.items.length < MOST ? more : null };
}

/** The list under its heading; `children` renders an item, `nothing` is the text of an empty list. */
export function ListSection({ id, title, list, nothing, children }) {
  return html`<section class="mine" aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${list.failed && html`<p class="mistake" role="status">Couldn't refresh. Retrying…</p>`}
    ${list.items?.length === 0 && html`<p class="quiet">${nothing}</p>`}
    <ul>${list.items?.map(children)}</ul>
    ${list.more && html`<button type="button" class="link" onClick=${list.more}>Show more</button>`}
  </section>`;
}
