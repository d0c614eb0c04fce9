/** What the file looks like: columns and their order, time zone, preset; with a preview by a dry run. */

import { Select, zones } from "./field.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { cell, rows, size } from "./words.js";

const PREVIEW_AFTER = 300; // milliseconds after the last change
const SHOWN_ROWS = 5;
/** Those that the API does not name in /report-types are not offered. */
const PRESETS = {
  plain: "Plain CSV",
  rfc4180: "CSV with Windows line endings",
  excel: "CSV for Excel",
};
const HEADERS = { labels: "Column names", keys: "Field keys", none: "None" };

/** `picked` is null for all columns in the report's order. */
export const DEFAULTS = { picked: null, preset: "plain", header: "labels" };

/** The part of a request that the dialog decides. */
export function withOptions(request, { picked, preset, header }) {
  const csv = { ...(preset === "plain" ? {} : { preset }), ...(header === "labels" ? {} : { header }) };
  return { ...request, ...(picked ? { columns: picked } : {}), ...(Object.keys(csv).length ? { csv } : {}) };
}

export function OptionsDialog({ client, columns, csv, request, options, onExport, onSchedule, onClose }) {
  const dialog = useRef();
  const [chosen, setChosen] = useState(options);
  const [zone, setZone] = useState(request.timeZone ?? "UTC");
  const change = (part) => setChosen((before) => ({ ...before, ...part }));
  const asked = withOptions({ ...request, ...(zone === "UTC" ? {} : { timeZone: zone }) }, chosen);
  if (zone === "UTC") delete asked.timeZone;
  const isEmpty = chosen.picked?.length === 0;
  useEffect(() => dialog.current.showModal(), []);
  const leave = (act) => () => {
    if (isEmpty) return;
    dialog.current.close();
    act();
  };
  return html`<dialog ref=${dialog} class="options" aria-labelledby="options-title" onClose=${onClose}>
    <h2 id="options-title">Export options</h2>
    <div class="two">
      <${Columns} columns=${columns} picked=${chosen.picked} onChange=${(picked) => change({ picked })} />
      <div>
        <${Select} id="option-zone" label="Time zone" value=${zone} choices=${zones(zone)} onChange=${setZone}
          hint="Sets day boundaries and times in the file." />
        <${Select} id="option-preset" label="Format" value=${chosen.preset} onChange=${(preset) => change({ preset })}
          choices=${csv.presets.map((each) => [each, PRESETS[each] ?? each])} />
        <${Select} id="option-header" label="Header row" value=${chosen.header} onChange=${(header) => change({ header })}
          choices=${csv.headers.map((each) => [each, HEADERS[each] ?? each])} />
      </div>
    </div>
    ${isEmpty ? html`<p class="mistake" role="status">Choose at least one column.</p>` : html`<${Preview} client=${client} asked=${asked} />`}
    <div class="actions">
      <button type="button" class="primary" aria-disabled=${isEmpty} onClick=${leave(() => onExport(chosen, zone, asked))}>Export</button>
      <button type="button" aria-disabled=${isEmpty} onClick=${leave(() => onSchedule(asked))}>Schedule…</button>
      <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
    </div>
  </dialog>`;
}

function Columns({ columns, picked, onChange }) {
  const [order, setOrder] = useState(() => inOrder(columns, picked));
  const [moved, setMoved] = useState("");
  const all = columns.map((each) => each.key);
  const isPicked = (key) => picked === null || picked.includes(key);
  const tell = (nextOrder, keys) => {
    const found = nextOrder.map((each) => each.key).filter((key) => keys.includes(key));
    onChange(found.join("\n") === all.join("\n") ? null : found);
  };
  const toggle = (key) => tell(order, isPicked(key) ? (picked ?? all).filter((each) => each !== key) : [...picked, key]);
  const move = (place, by) => () => {
    const target = place + by;
    if (target < 0 || target >= order.length) return;
    const next = [...order];
    next.splice(target, 0, ...next.splice(place, 1));
    setOrder(next);
    setMoved(`${order[place].label} moved to position ${target + 1} of ${order.length}.`);
    tell(next, picked ?? all);
  };
  const reset = () => (setOrder(columns), onChange(null));
  return html`<fieldset class="columns">
    <legend>Columns</legend>
    <p class="quick">
      <button type="button" class="link" onClick=${reset}>Reset</button>
      <button type="button" class="link" onClick=${() => onChange([])}>None</button>
    </p>
    <ol tabindex="0" aria-label="Column order">
      ${order.map(
        (each, place) => html`<li key=${each.key}>
          <label><input type="checkbox" checked=${isPicked(each.key)} onChange=${() => toggle(each.key)} />
            <span>${each.label}</span></label>
          <button type="button" class="icon" aria-label=${`Move ${each.label} up`} aria-disabled=${place === 0} onClick=${move(place, -1)}>↑</button>
          <button type="button" class="icon" aria-label=${`Move ${each.label} down`} aria-disabled=${place === order.length - 1} onClick=${move(place, 1)}>↓</button>
        </li>`,
      )}
    </ol>
    <p class="hidden" role="status">${moved}</p>
  </fieldset>`;
}

/** Picked ones first, as they were ordered; the others where the table has them. */
function inOrder(columns, picked) {
  if (!picked) return columns;
  const chosen = picked.map((key) => columns.find((each) => each.key === key)).filter(Boolean);
  return [...chosen, ...columns.filter((each) => !picked.includes(each.key))];
}

function Preview({ client, asked }) {
  const text = JSON.stringify(asked);
  const [now, setNow] = useState({ preview: null, problem: null });
  useEffect(() => {
    const leaving = new AbortController();
    const look = () =>
      client.ask("POST", "/exports?dryRun=true", { body: asked, signal: leaving.signal }).then(
        ({ state }) => setNow({ preview: state, problem: null }),
        (problem) => leaving.signal.aborted || setNow({ preview: null, problem }),
      );
    const timer = setTimeout(look, PREVIEW_AFTER);
    return () => (clearTimeout(timer), leaving.abort());
  }, [text]);
  const { preview, problem } = now;
  if (problem) return html`<p class="mistake" role="status">${problem.message}</p>`;
  if (!preview) return html`<p class="quiet" role="status">Loading preview…</p>`;
  return html`<section aria-label="Preview">
    <p role="status">${rows(preview.rows)} · about ${size(preview.estimatedBytes)} · ${preview.columns.length} columns · <code>${preview.fileName}</code></p>
    <div class="scroll" role="region" aria-label="First rows" tabindex="0">
      <table class="sample">
        <thead><tr>${preview.columns.map((each) => html`<th scope="col" key=${each.key}><span class="clamp">${each.label}</span></th>`)}</tr></thead>
        <tbody>${preview.sample.slice(0, SHOWN_ROWS).map(
          (item, place) => html`<tr key=${place}>${preview.columns.map((each) => html`<td key=${each.key}><span class="clamp">${cell(item[each.key], each.type)?.slice(0, 100)}</span></td>`)}</tr>`,
        )}</tbody>
      </table>
    </div>
  </section>`;
}
