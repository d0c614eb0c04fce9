/** A field that searches values by title and also accepts a value directly. */

import { html, useEffect, useState } from "./html.js";
import { t } from "./texts.js";
import { learn, useTitleOf } from "./titles.js";

const SEARCH_AFTER = 200; // milliseconds after the last key
const NONE = { items: null, more: false, problem: null };

const ask = (client, path, search, signal) => client.ask("GET", `${path}?search=${encodeURIComponent(search.slice(0, 200))}`, { signal });

/** Return the matches of the search. Nothing is requested while `search` is null. */
function useChoices(client, path, search) {
  const [matches, setMatches] = useState(NONE);
  useEffect(() => {
    if (search === null) return;
    const leaving = new AbortController();
    const look = () =>
      ask(client, path, search, leaving.signal).then(
        ({ state }) => setMatches({ ...state, problem: null }),
        (problem) => leaving.signal.aborted || setMatches({ ...NONE, problem }),
      );
    const timer = setTimeout(look, search ? SEARCH_AFTER : 0);
    return () => (clearTimeout(timer), leaving.abort());
  }, [path, search]);
  return matches;
}

export function Combobox({ client, path, label, value, isValue, onCommit, id, ...attributes }) {
  const [text, setText] = useState(null); // the typed text, or null while the user is not typing
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const loadedTitle = useTitleOf(client, isValue(value) ? path : null, value);
  const title = loadedTitle ?? ""; // do not show the raw ID while its title loads
  const { items: matches, more, problem } = useChoices(client, path, isOpen ? (text ?? "").trim() : null);
  const items = matches ?? [];
  const close = () => (setOpen(false), setActive(-1));
  const pick = (item) => {
    learn(path, item);
    setText(null);
    close();
    if (item.value !== value) onCommit(item.value);
  };
  const commit = (typed) => {
    setText(null);
    if (typed !== value && typed !== title) onCommit(typed);
  };
  /** Resolve the typed text to a value. Text without a match is committed unchanged and reported as an error. */
  const leave = () => {
    close();
    if (text === null) return;
    const typed = text.trim();
    if (!typed || typed === title || isValue(typed)) return commit(typed);
    bestMatch(client, path, typed).then((match) => (match ? pick(match) : commit(typed)), () => {});
  };
  const move = (by) => {
    setOpen(true);
    if (items.length) setActive((active + by + items.length + (active < 0 && by < 0 ? 1 : 0)) % items.length);
  };
  const press = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && isOpen && items[active]) pick(items[active]);
    else if (event.key === "Enter") leave();
    else if (event.key === "Escape" && isOpen) close();
    else if (event.key === "Escape") setText(null);
    else return;
    event.preventDefault();
  };
  const type = (event) => (setText(event.target.value), setOpen(true), setActive(-1));
  const list = `${id}-list`;
  useEffect(() => {
    if (active >= 0) document.getElementById(`${list}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active]);
  return html`<div class="combobox">
    <input ...${attributes} id=${id} type="text" role="combobox" class="wide" autocomplete="off" spellcheck="false"
      placeholder=${value && loadedTitle === null ? t.loading : t.typeToSearch} aria-expanded=${isOpen ? "true" : "false"} aria-controls=${list} aria-autocomplete="list"
      aria-activedescendant=${isOpen && items[active] ? `${list}-${active}` : undefined} value=${text ?? title}
      onFocus=${(event) => event.target.select()} onClick=${() => setOpen(true)} onInput=${type} onKeyDown=${press} onBlur=${leave} />
    <div class="choices" hidden=${!isOpen} onMouseDown=${(event) => event.preventDefault()}>
      <ul id=${list} role="listbox" aria-label=${t.matchesOf(label)}>
        ${items.map(
          (item, place) => html`<li key=${item.value} id="${list}-${place}" role="option" aria-selected=${item.value === value ? "true" : "false"}
            class=${place === active ? "active" : undefined} onClick=${() => pick(item)}><span>${item.title}</span><code>${item.value}</code></li>`,
        )}
      </ul>
      <p class=${problem ? "mistake" : "quiet"} role="status">${isOpen && noteOf(matches, more, problem)}</p>
    </div>
  </div>`;
}

/** Return the only match with exactly this title, or the only match overall, or null. */
async function bestMatch(client, path, typed) {
  const { state } = await ask(client, path, typed);
  const same = state.items.filter((item) => item.title.toLowerCase() === typed.toLowerCase());
  return same.length === 1 ? same[0] : state.items.length === 1 ? state.items[0] : null;
}

function noteOf(matches, more, problem) {
  if (problem) return `${t.listFailed} ${problem.message}`;
  if (matches?.length === 0) return t.noMatches;
  return more ? t.keepTyping : "";
}
