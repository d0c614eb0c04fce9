/** File options and their defaults, as part of a request, as text and in the browser's storage. */

import { BASE } from "./session.js";
import { localItems } from "./storage.js";
import { locale, t } from "./texts.js";

const DECIMAL_COMMA = new Intl.NumberFormat(locale).format(1.5).includes(",");

/** The page's defaults suit spreadsheets in the user's country. The API defaults to plain CSV. */
export const DEFAULTS = {
  preset: "excel",
  header: "labels",
  delimiter: DECIMAL_COMMA ? ";" : ",",
  decimalMark: DECIMAL_COMMA ? "," : ".",
  compression: "none",
  multiple: "joined",
  values: "stored",
  codebook: false,
};
const API_DEFAULTS = { preset: "plain", header: "labels", delimiter: ",", decimalMark: ".", compression: "none" };
const NAMES = Object.keys(API_DEFAULTS);

/** `preset` is a CSV preset or another format. */
export const isCsv = ({ preset }) => !(preset in t.formats);

/** Return whether a file of this format can contain a codebook. */
export const takesCodebook = (options) => isCsv(options) || options.preset === "xlsx";

/** Return the formats next to CSV as [name, text] pairs. */
export const otherFormats = (formats) => formats.filter(({ name }) => name in t.formats).map(({ name }) => [name, t.formats[name]]);

const ANSWERS = ["multiple", "values"];

function answerFields(options) {
  const different = ANSWERS.filter((option) => options[option] !== DEFAULTS[option]);
  return {
    ...(different.length ? { answers: Object.fromEntries(different.map((option) => [option, options[option]])) } : {}),
    ...(options.codebook && takesCodebook(options) ? { codebook: true } : {}),
  };
}

const isCompressed = ({ preset, compression }) => preset === "jsonl" && compression === "gzip";

/** Return the request with columns, name and format. `columns` is null for all columns. */
export function withOptions(request, options, columns = null, name = "") {
  return {
    ...request,
    ...(columns ? { columns } : {}),
    ...(name.trim() ? { name: name.trim() } : {}),
    ...answerFields(options),
    ...(isCsv(options) ? csvFields(options) : { format: options.preset, ...(isCompressed(options) ? { jsonl: { compression: "gzip" } } : {}) }),
  };
}

function csvFields(options) {
  const csv = Object.fromEntries(NAMES.filter((option) => options[option] !== API_DEFAULTS[option]).map((option) => [option, options[option]]));
  if (csv.preset === "excel" && csv.compression === "gzip") csv.splitRows = null; // a gzip file cannot hold several parts
  return Object.keys(csv).length ? { csv } : {};
}

const TEXTS = {
  preset: (value) => t.presets[value] ?? t.formats[value] ?? value,
  header: (value) => t.headers[value],
  delimiter: (value) => t.delimiters[value],
  decimalMark: (value) => t.decimals[value],
  compression: (value) => value,
  multiple: (value) => t.multiples[value],
  values: (value) => `${t.values}: ${t.answerValues[value]}`,
  codebook: () => t.codebook,
};

/** Return the options that differ from the page's defaults as text, such as ["1 column", "Plain CSV"]. */
export function differences(options, columns) {
  const names = isCsv(options) ? NAMES : isCompressed(options) ? ["preset", "compression"] : ["preset"];
  const all = [...names, ...ANSWERS, ...(takesCodebook(options) ? ["codebook"] : [])];
  const different = all.filter((name) => options[name] !== DEFAULTS[name]).map((name) => TEXTS[name](options[name]));
  return columns ? [t.columnCount(columns.length), ...different] : different;
}

/** Return the format and columns of any request as text. */
export function optionsInWords({ format, csv, jsonl, columns, answers, codebook }) {
  const chosen = { ...answers, ...(codebook ? { codebook } : {}) };
  const own = Object.keys(chosen).filter((name) => chosen[name] !== DEFAULTS[name]).map((name) => TEXTS[name](chosen[name]));
  if (format && format !== "csv") {
    const texts = [TEXTS.preset(format), ...(["gzip", "zstd"].includes(jsonl?.compression) ? [jsonl.compression] : []), ...own];
    return columns ? [...texts, t.columnCount(columns.length)] : texts;
  }
  const options = { ...API_DEFAULTS, ...(typeof csv === "string" ? { preset: csv } : csv) };
  const different = NAMES.filter((name) => name !== "preset" && options[name] !== API_DEFAULTS[name]);
  const texts = [TEXTS.preset(options.preset), ...different.map((name) => TEXTS[name](options[name]) ?? options[name]), ...own];
  return columns ? [...texts, t.columnCount(columns.length)] : texts;
}

const keyOf = (report) => `report-exports ${BASE} ${report}`;

/** Return the remembered choices for a report as {options, columns, widths}. */
export function remembered(report) {
  try {
    const { options, columns = null, widths = {} } = JSON.parse(localItems.getItem(keyOf(report)) ?? "{}");
    return { options: { ...DEFAULTS, ...options }, columns, widths };
  } catch {
    return { options: DEFAULTS, columns: null, widths: {} };
  }
}

export function remember(report, choices) {
  try {
    localItems.setItem(keyOf(report), JSON.stringify(choices));
  } catch {
    // Storage is full or blocked. The choices are lost when the user leaves the page.
  }
}
