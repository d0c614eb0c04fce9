/** Format numbers, sizes, times, requests and states as text. */

import { optionsInWords } from "./options.js";
import { locale, t } from "./texts.js";

const plain = new Intl.NumberFormat(locale);
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const NUMBERS = ["integer", "number"];

export const count = (number) => plain.format(number);
export const rows = (number) => t.rows(number, count(number));
export const timeOfDay = (moment) => clock.format(new Date(moment));
export const isNumber = (column) => NUMBERS.includes(column.type);

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${["B", "kB", "MB", "GB"][step]}`;
}

/** Format a relative time, such as "in 6 days", "2 hours ago" or "just now". */
export function when(moment, now) {
  const distance = new Date(moment) - now;
  const [unit, length] = UNITS.find(([, milliseconds]) => Math.abs(distance) >= milliseconds * 0.99) ?? ["second", 1000];
  return unit === "second" ? t.justNow : relative.format(Math.round(distance / length), unit);
}

export function expiry(moment, now) {
  const remaining = new Date(moment) - now;
  if (remaining <= 0) return t.expired;
  return remaining < 60_000 ? t.expiresSoon : t.expires(when(moment, now));
}

/** Format a date range, such as "19–26 Jul 2024". Text that is not a date is kept. */
export function dateRange(from, to) {
  const [first, last] = [from, to].map((text) => new Date(`${day(text)}T00:00:00Z`));
  return isNaN(first) || isNaN(last) ? `${from} – ${to}` : days.formatRange(first, last);
}

/** Summarize the dates and filters of a request, such as "19–26 Jul 2024 · Attended: yes". */
export function requestInWords(request, type, nothing = t.allRows) {
  const parts = request.from && request.to ? [dateRange(request.from, request.to)] : [];
  for (const [name, value] of Object.entries(request.filters ?? {})) {
    const label = type?.filters.find((filter) => filter.name === name)?.label ?? name;
    parts.push(`${label}: ${conditionsInWords(value)}`);
  }
  if (request.timeZone && request.timeZone !== "UTC") parts.push(request.timeZone);
  return parts.join(" · ") || nothing;
}

/** Summarize the format and columns of a request, such as "CSV for Excel · 3 columns". */
export const formatOf = (request) => optionsInWords(request).join(" · ");

/** Pad a date with zeros, as date inputs require. Text that is not a date is kept. */
export function day(text) {
  const match = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  return match ? `${match[1]}-${match[2].padStart(2, "0")}-${match[3].padStart(2, "0")}` : text;
}

/** Format the value of a filter, such as "wa or empty", or its operators, such as "at least 100 and at most 500". */
export function conditionsInWords(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return valuesInWords(value);
  const parts = Object.entries(value).map(([operator, operand]) => {
    if (operator === "null") return operand ? t.empty : t.notEmpty;
    return t.operators[operator]?.(valuesInWords(operand)) ?? `${operator} ${valuesInWords(operand)}`;
  });
  return parts.join(t.and);
}

const valuesInWords = (value) => (Array.isArray(value) ? value : [value]).map(filterValue).join(t.or);

function filterValue(value) {
  if (value === null) return t.empty;
  if (typeof value === "boolean") return value ? t.yes : t.no;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * Return the text of a cell, or null if it is empty. The table's cells arrive as the text of the file, so no digits are
 * lost. Integers are not grouped, because many are ids or years.
 */
export function cell(value, column) {
  if (value === null || value === undefined || value === "") return null;
  if (column.type === "boolean") return { true: t.Yes, false: t.No }[value] ?? String(value);
  if (typeof value === "object") return JSON.stringify(value);
  if (column.type === "date-time") return String(value).replace("T", " ").replace(/(:\d\d)[.,]\d+/, "$1").replace(/Z|\+00:00$/, "");
  return column.type === "number" ? grouped(String(value)) : String(value);
}

/** Add group separators, such as "1234567.50" → "1,234,567.50". */
function grouped(text) {
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return text;
  const point = plain.formatToParts(1.5).find((part) => part.type === "decimal").value;
  return sign + plain.format(BigInt(whole)) + (fraction && point + fraction);
}

export function progressInWords(state, now) {
  const { expected, written } = state.rows;
  if (state.phase === "cancelling") return t.cancelling;
  if (state.status === "queued") return t.inQueue(state.queue.position && count(state.queue.position));
  if (state.status === "finalizing") return t.checkingFile;
  if (expected === null) return t.countingRows;
  return [t.exporting(state.progress, count(written), rows(expected)), ...paceOf(state, now)].join(" · ");
}

/** Return the remaining time and the speed, or an empty list while they cannot be estimated. */
function paceOf(state, now) {
  const seconds = (now - new Date(state.snapshotAt ?? state.startedAt)) / 1000;
  if (state.etaSeconds === null || seconds < 2) return [];
  return [t.timeLeft(duration(state.etaSeconds)), t.speed(count(Math.round(state.rows.written / seconds)))];
}

function duration(seconds) {
  const [amount, unit] = seconds < 90 ? [seconds, "second"] : [seconds / 60, "minute"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 }).format(Math.max(1, amount));
}

export function readyInWords({ file, rows: counted }) {
  return t.ready(file.name, count(file.rows), rows(counted.expected ?? file.rows), size(file.bytes));
}
