/** The table of a report. The server pages and sorts the rows. Users can move and resize the columns. */

import { cell, count, isNumber, rows } from "./format.js";
import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { firstPage, sortOf } from "./query.js";
import { t } from "./texts.js";

const MAX_SHOWN = 1000; // characters per cell
const PAGE_SIZES = [10, 25, 50, 100, 200];
const [MIN_WIDTH, USUAL_WIDTH, MAX_WIDTH, WIDTH_STEP] = [48, 160, 800, 16]; // pixels
const DRAGGED = "application/x-report-column";

/** Load a page and return {page, problem, isLoading, reload}. The previous page remains until the next has loaded. */
export function useTable(client, parameters) {
  const [now, setNow] = useState({ page: null, problem: null, isLoading: false });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (parameters === null) return setNow({ page: null, problem: null, isLoading: false });
    const leaving = new AbortController();
    setNow((before) => ({ ...before, isLoading: true }));
    client.ask("GET", `/reports?${parameters}&cells=text`, { signal: leaving.signal }).then(
      ({ state }) => setNow({ page: state, problem: null, isLoading: false }),
      (problem) => leaving.signal.aborted || setNow({ page: null, problem, isLoading: false }),
    );
    return () => leaving.abort();
  }, [parameters, tries]);
  return { ...now, reload: useCallback(() => setTries((number) => number + 1), []) };
}

/** `layout` is {columns, widths, move(key, by), place(key, before), resize(key, width)}. */
export function Table({ page, type, query, go, isLoading, layout, zone, onColumns, onRow }) {
  if (page.total === 0) return html`<p class="empty">${t.noRows}</p>`;
  if (page.items.length === 0) {
    return html`<p class="empty">${t.noSuchPage(count(page.page))}${" "}
      <button type="button" class="link" onClick=${() => go(firstPage)}>${t.firstPage}</button></p>`;
  }
  const sort = sortOf(query, type);
  const { columns, widths } = layout;
  return html`<div class="scroll" role="region" aria-label=${t.tableOf(type.title)} tabindex="0">
      <table aria-busy=${isLoading ? "true" : "false"}>
        <thead><tr>
          ${columns.map((column) => html`<${Heading} key=${column.key} column=${column} ...${{ sort, go, layout }} />`)}
          <th scope="col" class="open"><span class="hidden">${t.rowDetails}</span></th>
        </tr></thead>
        <tbody>
          ${page.items.map(
            (item, place) => html`<tr key=${place}>
              ${columns.map((column) => html`<${Cell} key=${column.key} column=${column} value=${item[column.key]} width=${widths[column.key]} />`)}
              <td class="open"><button type="button" class="icon" aria-label=${t.showRow(place + 1)} title=${t.rowDetails} onClick=${() => onRow(item)}><span aria-hidden="true">⤢</span></button></td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <${Pager} ...${{ page, go, zone, onColumns }} />`;
}

function Heading({ column, sort, go, layout }) {
  const isSorted = column.key === sort.key;
  const turn = () =>
    go((next) => {
      next.set("sort", isSorted && !sort.descending ? `-${column.key}` : column.key);
      firstPage(next);
    });
  const press = (event) => {
    const by = event.altKey && { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) (event.preventDefault(), layout.move(column.key, by));
  };
  const drop = (event) => {
    const key = event.dataTransfer.getData(DRAGGED);
    if (key) (event.preventDefault(), layout.place(key, column.key));
  };
  const direction = isSorted ? (sort.descending ? "descending" : "ascending") : undefined;
  const style = widthOf(layout.widths[column.key]);
  return html`<th scope="col" aria-sort=${direction} class=${isNumber(column) ? "number" : ""} draggable="true" onKeyDown=${press}
    onDragStart=${(event) => event.dataTransfer.setData(DRAGGED, column.key)} onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
    ${column.sortable
      ? html`<button type="button" class="clamp" style=${style} title=${t.moveHint} onClick=${turn}>${column.label}${isSorted && html`<span aria-hidden="true" class="arrow">${sort.descending ? "↓" : "↑"}</span>`}</button>`
      : html`<span class="clamp" style=${style} title=${column.label}>${column.label}</span>`}
    <${Resizer} column=${column} width=${layout.widths[column.key]} resize=${layout.resize} />
  </th>`;
}

const widthOf = (width) => (width ? { width: `${width}px`, maxWidth: `${width}px` } : {});

function Resizer({ column, width, resize }) {
  const from = useRef(null);
  const set = (pixels) => resize(column.key, Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, pixels))));
  const begin = (event) => {
    event.preventDefault();
    event.target.setPointerCapture(event.pointerId);
    from.current = { x: event.clientX, width: event.target.parentElement.querySelector(".clamp").offsetWidth };
  };
  const drag = (event) => from.current && set(from.current.width + event.clientX - from.current.x);
  const press = (event) => {
    const by = { ArrowLeft: -WIDTH_STEP, ArrowRight: WIDTH_STEP }[event.key];
    if (!by || event.altKey) return;
    event.preventDefault();
    set((width ?? event.target.parentElement.querySelector(".clamp").offsetWidth) + by);
  };
  return html`<span class="resizer" role="separator" tabindex="0" aria-orientation="vertical" aria-label=${t.resize(column.label)}
    aria-valuenow=${width ?? USUAL_WIDTH} aria-valuemin=${MIN_WIDTH} aria-valuemax=${MAX_WIDTH} draggable="true" onDragStart=${(event) => (event.preventDefault(), event.stopPropagation())}
    onPointerDown=${begin} onPointerMove=${drag} onPointerUp=${() => (from.current = null)} onKeyDown=${press} />`;
}

function Cell({ column, value, width }) {
  const text = cell(value, column);
  const kind = `${isNumber(column) ? "number" : ""} ${column.type} ${text === null ? "none" : ""}`;
  return html`<td data-label=${column.label} class=${kind}>
    ${text === null ? "" : html`<span class="clamp" style=${widthOf(width)} title=${text.length > 40 ? short(text) : undefined}>${short(text)}</span>`}
  </td>`;
}

const short = (text) => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);

function Pager({ page, go, zone, onColumns }) {
  const tools = html`<span class="quiet">${t.timesIn(zone)}</span><button type="button" onClick=${onColumns}>${t.columnsButton}</button>`;
  if (page.page === null) {
    return html`<nav class="pager" aria-label=${t.pages}><span class="grow">${t.partOf(rows(page.total))}</span>${tools}
      <button type="button" onClick=${() => go(firstPage)}>${t.firstPage}</button></nav>`;
  }
  const last = Math.max(1, Math.ceil(page.total / page.pageSize));
  const first = (page.page - 1) * page.pageSize;
  const turn = (number) => number >= 1 && number <= last && number !== page.page && go((next) => next.set("page", number));
  const jump = (event) => {
    event.preventDefault();
    turn(Math.min(last, Math.max(1, Number(event.target.elements.page.value) || page.page)));
  };
  const resize = (event) =>
    go((next) => {
      next.set("pageSize", event.target.value);
      firstPage(next);
    });
  return html`<nav class="pager" aria-label=${t.pages}>
    <span class="grow">${t.shownRows(count(first + 1), count(first + page.items.length), rows(page.total))}</span>
    ${tools}
    <label>${t.rowsPerPage}
      <select value=${page.pageSize} onChange=${resize}>
        ${[...new Set([...PAGE_SIZES, page.pageSize])].sort((a, b) => a - b).map((size) => html`<option key=${size} value=${size}>${size}</option>`)}
      </select>
    </label>
    <button type="button" aria-disabled=${page.page <= 1} onClick=${() => turn(page.page - 1)}>${t.previous}</button>
    <form noValidate onSubmit=${jump}><label>${t.page}
      <input name="page" type="number" min="1" max=${last} key=${page.page} defaultValue=${page.page} /></label>
      <span>${t.ofPages(count(last))}</span></form>
    <button type="button" aria-disabled=${page.page >= last} onClick=${() => turn(page.page + 1)}>${t.next}</button>
  </nav>`;
}
