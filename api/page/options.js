/** File options: the page's defaults, the part of a request they make, what differs in words, and what is remembered. */

import { BASE } from "./session.js";
import { locale, t } from "./texts.js";

const DECIMAL_COMMA = new Intl.NumberFormat(locale).format(1.5).includes(",");

/** CSV for Excel as spreadsheets in the reader's country read it; the API's own default is plain CSV. */
export const DEFAULTS = {
  preset: "excel",
  header: "labels",
  delimiter: DECIMAL_COMMA ? ";" : ",",
  decimalMark: DECIMAL_COMMA ? "," : ".",
  compression: "none",
};
const API_DEFAULTS = { preset: "plain", header: "labels", delimiter: ",", decimalMark: ".", compression: "none" };
const NAMES = Object.keys(DEFAULTS);

/** `request` with its columns (null for all), name and CSV options. */
export function withOptions(request, options, columns = null, name = "") {
  const csv = Object.fromEntries(NAMES.filter((each) => options[each] !== API_DEFAULTS[each]).map((each) => [each, options[each]]));
  if (csv.preset === "excel" && csv.compression === "gzip") csv.splitRows = null; // a gzip file cannot hold several parts
  return {
    ...request,
    ...(columns ? { columns } : {}),
    ...(name.trim() ? { name: name.trim() } : {}),
    ...(Object.keys(csv).length ? { csv } : {}),
  };
}

const TEXTS = {
  preset: (value) => t.presets[value] ?? value,
  header: (value) => t.headers[value],
  delimiter: (value) => t.delimiters[value],
  decimalMark: (value) => t.decimals[value],
  compression: (value) => value,
};

/** What differs from the page's defaults: ["1 column", "Plain CSV"]. */
export function differences(options, columns) {
  const different = NAMES.filter((name) => options[name] !== DEFAULTS[name]).map((name) => TEXTS[name](options[name]));
  return columns ? [t.columnCount(columns.length), ...different] : different;
}

/** Format and columns of a request that was sent, whoever sent it. */
export function optionsInWords({ csv, columns }) {
  const given = { ...API_DEFAULTS, ...(typeof csv === "string" ? { preset: csv } : csv) };
  const different = NAMES.filter((name) => name !== "preset" && given[name] !== API_DEFAULTS[name]);
  const format = [TEXTS.preset(given.preset), ...different.map((name) => TEXTS[name](given[name]) ?? given[name])];
  return columns ? [...format, t.columnCount(columns.length)] : format;
}

const keyOf = (report) => `report-exports ${BASE} ${report}`;

/** Remembered choices of a report: {options, columns, widths}. */
export function remembered(report) {
  try {
    const { options, columns = null, widths = {} } = JSON.parse(localStorage.getItem(keyOf(report)) ?? "{}");
    return { options: { ...DEFAULTS, ...options }, columns, widths };
  } catch {
    return { options: DEFAULTS, columns: null, widths: {} };
  }
}

export function remember(report, choices) {
  try {
    localStorage.setItem(keyOf(report), JSON.stringify(choices));
  } catch {
    // Storage is full or blocked: the choices last until the page is left.
  }
}
