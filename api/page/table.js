/** The table of a report: loaded page by page, sorted by the server. */

import { html, useCallback, useEffect, useState } from "./html.js";
import { firstPage, sortOf } from "./query.js";
import { cell, count, rows } from "./words.js";

const NUMBERS = ["integer", "number"];
const MOST_SHOWN = 1000; // characters of a cell
const PAGE_SIZES = [10, 25, 50, 100, 200];

/** {page, problem, isLoading, reload}; the page before stays until the next one is there. */
export function useTable(client, asked) {
  const [now, setNow] = useState({ page: null, problem: null, isLoading: false });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (asked === null) return setNow({ page: null, problem: null, isLoading: false });
    const leaving = new AbortController();
    setNow((before) => ({ ...before, isLoading: true }));
    client.ask("GET", `/reports?${asked}`, { signal: leaving.signal }).then(
      ({ state }) => setNow({ page: state, problem: null, isLoading: false }),
      (problem) => leaving.signal.aborted || setNow({ page: null, problem, isLoading: false }),
    );
    return () => leaving.abort();
  }, [asked, tries]);
  return { ...now, reload: useCallback(() => setTries((number) => number + 1), []) };
}

export function Table({ page, type, query, go, isLoading }) {
  if (page.total === 0) {
    return html`<p class="empty">No rows match. Try a wider date range or clear the filters.</p>`;
  }
  if (page.items.length === 0) {
    return html`<p class="empty">Page ${count(page.page)} doesn't exist.
      <button type="button" class="link" onClick=${() => go(firstPage)}>Go to the first page</button></p>`;
  }
  const sort = sortOf(query, type);
  return html`<div class="scroll" role="region" aria-label=${`${type.title} table`} tabindex="0">
      <table aria-busy=${isLoading ? "true" : "false"}>
        <thead><tr>${page.columns.map((each) => html`<${Heading} key=${each.key} column=${each} sort=${sort} go=${go} />`)}</tr></thead>
        <tbody>
          ${page.items.map(
            (item, place) => html`<tr key=${place}>
              ${page.columns.map((each) => html`<${Cell} key=${each.key} column=${each} value=${item[each.key]} />`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <${Pager} page=${page} go=${go} />`;
}

function Heading({ column, sort, go }) {
  const isSorted = column.key === sort.key;
  const turn = () =>
    go((next) => {
      next.set("sort", isSorted && !sort.descending ? `-${column.key}` : column.key);
      firstPage(next);
    });
  const direction = isSorted ? (sort.descending ? "descending" : "ascending") : undefined;
  return html`<th scope="col" aria-sort=${direction} class=${NUMBERS.includes(column.type) ? "number" : ""}>
    ${column.sortable
      ? html`<button type="button" onClick=${turn}>${column.label}
          ${isSorted && html`<span aria-hidden="true" class="arrow">${sort.descending ? "↓" : "↑"}</span>`}</button>`
      : html`<span class="clamp" title=${column.label}>${column.label}</span>`}
  </th>`;
}

function Cell({ column, value }) {
  const text = cell(value, column.type);
  const kind = `${NUMBERS.includes(column.type) ? "number" : ""} ${column.type} ${text === null ? "none" : ""}`;
  return html`<td data-label=${column.label} class=${kind}>
    ${text === null ? "" : html`<span class="clamp" title=${text.length > 40 ? short(text) : undefined}>${short(text)}</span>`}
  </td>`;
}

const short = (text) => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);

function Pager({ page, go }) {
  if (page.page === null) {
    return html`<nav class="pager" aria-label="Pages"><span class="grow">Part of ${rows(page.total)}</span>
      <button type="button" onClick=${() => go(firstPage)}>Go to the first page</button></nav>`;
  }
  const last = Math.max(1, Math.ceil(page.total / page.pageSize));
  const first = (page.page - 1) * page.pageSize;
  const turn = (number) => () => number >= 1 && number <= last && go((next) => next.set("page", number));
  const resize = (event) =>
    go((next) => {
      next.set("pageSize", event.target.value);
      firstPage(next);
    });
  return html`<nav class="pager" aria-label="Pages">
    <span class="grow">${count(first + 1)}–${count(first + page.items.length)} of ${rows(page.total)}</span>
    <label>Rows per page
      <select value=${page.pageSize} onChange=${resize}>
        ${[...new Set([...PAGE_SIZES, page.pageSize])].sort((a, b) => a - b).map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      </select>
    </label>
    <button type="button" aria-disabled=${page.page <= 1} onClick=${turn(page.page - 1)}>Previous</button>
    <span>Page ${count(page.page)} of ${count(last)}</span>
    <button type="button" aria-disabled=${page.page >= last} onClick=${turn(page.page + 1)}>Next</button>
  </nav>`;
}
