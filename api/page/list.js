/** A list of the API's, newest first, that is looked at again and again. */

import { html, useCallback, useEffect, useRef, useState } from "./html.js";

const [FIRST, MORE, MOST] = [5, 20, 100];

/**
 * Looks again when `news` changes, and `pauseAfter(items)` milliseconds after each look while the tab is seen.
 * `items` is null before the first look.
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

/** The list under its heading; `children` draws its items, and `nothing` is said where there are none. */
export function ListSection({ id, title, list, nothing, children }) {
  return html`<section class="mine" aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${list.failed && html`<p class="mistake" role="status">The list could not be loaded. It is asked for again in a moment.</p>`}
    ${list.items?.length === 0 && html`<p class="quiet">${nothing}</p>`}
    <ul>${list.items?.map(children)}</ul>
    ${list.more && html`<button type="button" class="link" onClick=${list.more}>Show more</button>`}
  </section>`;
}
