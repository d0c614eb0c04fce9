/** Dialogs that choose the columns of the table and export, and show all values of a row. */

import { Dialog } from "./dialog.js";
import { cell } from "./format.js";
import { html, useState } from "./html.js";
import { t } from "./texts.js";

/** `picked` is a list of column keys, or null for all columns in the report's order. */
export function ColumnPicker({ columns, picked, onChange }) {
  const [order, setOrder] = useState(() => inOrder(columns, picked));
  const [moved, setMoved] = useState("");
  const all = columns.map((column) => column.key);
  const isPicked = (key) => picked === null || picked.includes(key);
  const update = (nextOrder, keys) => {
    const chosen = nextOrder.map((column) => column.key).filter((key) => keys.includes(key));
    onChange(chosen.join("\n") === all.join("\n") ? null : chosen);
  };
  const toggle = (key) => update(order, isPicked(key) ? (picked ?? all).filter((pickedKey) => pickedKey !== key) : [...picked, key]);
  const move = (place, by) => () => {
    const target = place + by;
    if (target < 0 || target >= order.length) return;
    const next = [...order];
    next.splice(target, 0, ...next.splice(place, 1));
    setOrder(next);
    setMoved(t.columnMoved(order[place].label, target + 1, order.length));
    update(next, picked ?? all);
  };
  const reset = () => (setOrder(columns), onChange(null));
  return html`<fieldset class="columns">
    <legend>${t.columns}</legend>
    <p class="quick">
      <button type="button" class="link" onClick=${reset}>${t.allColumns}</button>
      <button type="button" class="link" onClick=${() => onChange([])}>${t.none}</button>
    </p>
    <ol tabindex="0" aria-label=${t.columnOrder}>
      ${order.map(
        (column, place) => html`<li key=${column.key}>
          <label><input type="checkbox" checked=${isPicked(column.key)} onChange=${() => toggle(column.key)} />
            <span>${column.label}</span></label>
          <button type="button" class="icon" aria-label=${t.moveUp(column.label)} aria-disabled=${place === 0} onClick=${move(place, -1)}>↑</button>
          <button type="button" class="icon" aria-label=${t.moveDown(column.label)} aria-disabled=${place === order.length - 1} onClick=${move(place, 1)}>↓</button>
        </li>`,
      )}
    </ol>
    <p class="hidden" role="status">${moved}</p>
  </fieldset>`;
}

/** Return the picked columns in their order, followed by the others in the report's order. */
function inOrder(columns, picked) {
  if (!picked) return columns;
  const chosen = picked.map((key) => columns.find((column) => column.key === key)).filter(Boolean);
  return [...chosen, ...columns.filter((column) => !picked.includes(column.key))];
}

export function ColumnsDialog({ columns, picked: before, onChange, onClose }) {
  const [picked, setPicked] = useState(before);
  const isEmpty = picked?.length === 0;
  return html`<${Dialog} id="columns" title=${t.tableColumns} kind="small" onClose=${onClose}>
    ${(close) => html`<p class="quiet">${t.exportFollows}</p>
      <${ColumnPicker} ...${{ columns, picked }} onChange=${setPicked} />
      ${isEmpty && html`<p class="mistake" role="status">${t.oneColumn}</p>`}
      <div class="actions">
        <button type="button" class="primary" aria-disabled=${isEmpty} onClick=${() => isEmpty || (close(), onChange(picked))}>${t.apply}</button>
        <button type="button" onClick=${close}>${t.cancel}</button>
      </div>`}
  <//>`;
}

export function RowDialog({ columns, item, onClose }) {
  return html`<${Dialog} id="row" title=${t.rowDetails} onClose=${onClose}>
    ${(close) => html`<dl class="row" tabindex="0">
        ${columns.map((column) => html`<dt key=${column.key}>${column.label}</dt><dd key=${`${column.key} value`}>${cell(item[column.key], column) ?? html`<span class="quiet">${t.empty}</span>`}</dd>`)}
      </dl>
      <div class="actions"><button type="button" autofocus onClick=${close}>${t.close}</button></div>`}
  <//>`;
}
