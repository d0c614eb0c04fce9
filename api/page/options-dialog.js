/** Dialog for the columns, name, time zone and format of an export, with a preview of the file. */

import { ColumnPicker } from "./column-picker.js";
import { Dialog } from "./dialog.js";
import { Field, Select, ZoneField } from "./field.js";
import { cell, rows, size } from "./format.js";
import { html, useEffect, useState } from "./html.js";
import { DEFAULTS, isCsv, otherFormats, takesCodebook, withOptions } from "./options.js";
import { t } from "./texts.js";

const PREVIEW_AFTER = 300; // milliseconds after the last change
const SHOWN_ROWS = 5;

/** `chosen` is {options, columns, name, zone}. `request` does not contain these options yet. */
export function OptionsDialog({ client, columns, formats, csv, hasChoices, request, chosen: before, onExport, onSchedule, onClose }) {
  const [chosen, setChosen] = useState({ ...before, name: "" });
  const change = (part) => setChosen((now) => ({ ...now, ...part }));
  const { timeZone: _, ...rest } = request;
  const zoned = chosen.zone === "UTC" ? rest : { ...rest, timeZone: chosen.zone };
  const body = withOptions(zoned, chosen.options, chosen.columns, chosen.name);
  const isEmpty = chosen.columns?.length === 0;
  const reset = () => change({ options: DEFAULTS, columns: null, name: "", zone: "UTC" });
  return html`<${Dialog} id="options" title=${t.exportOptions} kind="options" onClose=${onClose}>
    ${(close) => {
      const leave = (act) => () => isEmpty || (close(), act());
      return html`<div class="two">
          <${ColumnPicker} columns=${columns} picked=${chosen.columns} onChange=${(keys) => change({ columns: keys })} key=${chosen.columns === null ? "all" : "some"} />
          <${FileOptions} ...${{ formats, csv, hasChoices, chosen, change }} />
        </div>
        ${isEmpty ? html`<p class="mistake" role="status">${t.oneColumn}</p>` : html`<${Preview} ...${{ client, body }} />`}
        <div class="actions">
          <button type="button" class="primary" aria-disabled=${isEmpty} onClick=${leave(() => onExport(chosen, body))}>${t.export}</button>
          <button type="button" aria-disabled=${isEmpty} onClick=${leave(() => onSchedule(body))}>${t.scheduleAction}</button>
          <button type="button" onClick=${reset}>${t.reset}</button>
          <button type="button" onClick=${close}>${t.cancel}</button>
        </div>`;
    }}
  <//>`;
}

function FileOptions({ formats, csv, hasChoices, chosen, change }) {
  const { options, name, zone } = chosen;
  const set = (part) => change({ options: { ...options, ...part } });
  const choices = (values, texts) => values.map((value) => [value, texts[value] ?? value]);
  const setDecimal = (decimalMark) => set({ decimalMark, ...(decimalMark === "," && options.delimiter === "," ? { delimiter: ";" } : {}) });
  const setDelimiter = (delimiter) => set({ delimiter, ...(delimiter === "," ? { decimalMark: "." } : {}) });
  // A gzip file cannot contain a codebook.
  const setCodebook = (codebook) => set({ codebook, ...(codebook && options.compression === "gzip" ? { compression: "zip" } : {}) });
  const setCompression = (compression) => set({ compression, ...(compression === "gzip" && isCsv(options) ? { codebook: false } : {}) });
  const isUnusual = ["delimiter", "decimalMark", "compression"].some((option) => options[option] !== DEFAULTS[option]);
  return html`<div>
    <${Field} id="option-name" label=${t.exportName} hint=${t.exportNameHint}>
      ${(attributes) => html`<input ...${attributes} type="text" class="wide" maxlength="200" autocomplete="off" value=${name} onInput=${(event) => change({ name: event.target.value })} />`}
    <//>
    <${Select} id="option-preset" label=${t.format} value=${options.preset} onChange=${(preset) => set({ preset })} choices=${[...choices(csv.presets, t.presets), ...otherFormats(formats)]} hint=${t.presetHints[options.preset] ?? t.formatHints[options.preset]} />
    <${ZoneField} id="option-zone" value=${zone} onChange=${(timeZone) => change({ zone: timeZone })} hint=${t.zoneHint} />
    ${isCsv(options) && html`<details open=${isUnusual}>
      <summary>${t.moreOptions}</summary>
      <${Select} id="option-header" label=${t.headerRow} value=${options.header} onChange=${(header) => set({ header })} choices=${choices(csv.headers, t.headers)} />
      <${Select} id="option-delimiter" label=${t.delimiter} value=${options.delimiter} onChange=${setDelimiter} choices=${Object.entries(t.delimiters)} />
      <${Select} id="option-decimal" label=${t.decimalMark} value=${options.decimalMark} onChange=${setDecimal} choices=${Object.entries(t.decimals)} />
      <${Select} id="option-compression" label=${t.compression} value=${options.compression} onChange=${setCompression} choices=${Object.entries(t.compressions)} />
    </details>`}
    ${options.preset === "jsonl" && html`<${Select} id="option-compression" label=${t.compression} value=${options.compression} onChange=${(compression) => set({ compression })} choices=${Object.entries(t.compressions).filter(([name]) => name !== "zip")} />`}
    ${hasChoices && html`<${AnswerOptions} ...${{ options, set }} />`}
    ${takesCodebook(options) && html`<label class="check"><input type="checkbox" id="option-codebook" checked=${options.codebook} onChange=${(event) => setCodebook(event.target.checked)} />
      <span>${t.addCodebook}</span></label>`}
  </div>`;
}

const AnswerOptions = ({ options, set }) => html`<${Select} id="option-multiple" label=${t.multiple} value=${options.multiple} onChange=${(multiple) => set({ multiple })} choices=${Object.entries(t.multiples)} hint=${t.multipleHints[options.multiple]} />
  <${Select} id="option-values" label=${t.values} value=${options.values} onChange=${(values) => set({ values })} choices=${Object.entries(t.answerValues)} />`;

function Preview({ client, body }) {
  const text = JSON.stringify(body);
  const [now, setNow] = useState({ preview: null, problem: null });
  useEffect(() => {
    const leaving = new AbortController();
    const look = () =>
      client.ask("POST", "/exports/dry-run", { body, signal: leaving.signal }).then(
        ({ state }) => setNow({ preview: state, problem: null }),
        (problem) => leaving.signal.aborted || setNow({ preview: null, problem }),
      );
    const timer = setTimeout(look, PREVIEW_AFTER);
    return () => (clearTimeout(timer), leaving.abort());
  }, [text]);
  const { preview, problem } = now;
  if (problem) return html`<p class="mistake" role="status">${problem.message}</p>`;
  if (!preview) return html`<p class="quiet preview" role="status">${t.loadingPreview}</p>`;
  const parts = [rows(preview.rows), t.about(size(preview.estimatedBytes)), t.columnCount(preview.columns.length)];
  return html`<section class="preview" aria-label=${t.preview}>
    <p role="status">${parts.join(" · ")} · <code>${preview.fileName}</code></p>
    ${preview.lines ? html`<pre class="scroll" role="region" aria-label=${t.firstLines} tabindex="0">${preview.lines.join("\n")}</pre>` : html`<${Sample} preview=${preview} />`}
  </section>`;
}

const Sample = ({ preview }) => html`<div class="scroll" role="region" aria-label=${t.firstRows} tabindex="0">
  <table class="sample">
    <thead><tr>${preview.columns.map((column) => html`<th scope="col" key=${column.key}><span class="clamp">${column.label}</span></th>`)}</tr></thead>
    <tbody>${preview.sample.slice(0, SHOWN_ROWS).map(
      (item, place) => html`<tr key=${place}>${preview.columns.map((column) => html`<td key=${column.key}><span class="clamp">${cell(item[column.key], column)?.slice(0, 100)}</span></td>`)}</tr>`,
    )}</tbody>
  </table>
</div>`;
