/** Date presets of the filter bar and the default dates on the first visit. */

import { zoneOf } from "./query.js";
import { t } from "./texts.js";

const DAY = 86_400_000;
const iso = (moment) => new Date(moment).toISOString().slice(0, 10);
const plus = (day, days) => iso(Date.parse(day) + days * DAY);
const month = (day, by) => iso(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)) - 1 + by, 1));
const sinceQuarter = (day) => (Number(day.slice(5, 7)) - 1) % 3;

/** Return today's date in a time zone, such as "2026-11-30". */
export const todayIn = (zone) => new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short" }).format(new Date());

/** Return an instant as local time in a zone, such as "2024-07-19T09:30:00", or the text itself if it is no instant. */
export function localIn(instant, zone) {
  const moment = new Date(instant);
  if (isNaN(moment)) return String(instant);
  return new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }).format(moment).replace(" ", "T");
}

/** Return the instant of a local time in a zone, such as "2024-07-19T07:30:00Z". */
export function instantIn(local, zone) {
  const utc = Date.parse(`${local}Z`);
  const offset = (moment) => Date.parse(`${localIn(moment, zone)}Z`) - moment;
  return `${new Date(utc - offset(utc - offset(utc))).toISOString().slice(0, 19)}Z`;
}

/** First and last day of each preset, both inclusive. */
export const PRESETS = {
  today: (today) => [today, today],
  yesterday: (today) => [plus(today, -1), plus(today, -1)],
  "last-7-days": (today) => [plus(today, -6), today],
  "last-30-days": (today) => [plus(today, -29), today],
  "last-90-days": (today) => [plus(today, -89), today],
  "this-month": (today) => [month(today, 0), today],
  "last-month": (today) => [month(today, -1), plus(month(today, 0), -1)],
  "this-quarter": (today) => [month(today, -sinceQuarter(today)), today],
  "last-quarter": (today) => [month(today, -sinceQuarter(today) - 3), plus(month(today, -sinceQuarter(today)), -1)],
  "this-year": (today) => [`${today.slice(0, 4)}-01-01`, today],
  "last-year": (today) => [`${today.slice(0, 4) - 1}-01-01`, `${today.slice(0, 4) - 1}-12-31`],
};

const daysIn = ([from, to]) => (Date.parse(to) - Date.parse(from)) / DAY + 1;

/** Return the presets that cover at most `maxDays` days as [name, text] pairs. */
export const presetChoices = (today, maxDays) =>
  Object.keys(PRESETS)
    .filter((name) => maxDays === null || daysIn(PRESETS[name](today)) <= maxDays)
    .map((name) => [name, t.datePresets[name]]);

/** Return the name of the preset with these dates, or an empty string. */
export const presetOf = (from, to, today) =>
  Object.keys(PRESETS).find((name) => PRESETS[name](today).join() === `${from},${to}`) ?? "";

const [USUAL_DAYS, WINDOW_DAYS, MAX_WINDOWS, MAX_SCOPES] = [30, 366, 6, 4];

/**
 * Return parameters for the first visit, or null if no rows were found. They select the first scope value with
 * rows and the last 30 days that have any. The search goes back in windows of the report's maximum length.
 */
export async function firstParameters(client, type, current) {
  const scopes = type.parameters.filter((parameter) => parameter.pattern);
  if (scopes.length > 1 || scopes.some((parameter) => !parameter.choices)) return null;
  for (const scope of await scopeValues(client, scopes[0], current)) {
    const dates = hasDates(type) ? await latestDates(client, type, scope, current) : {};
    if (dates) return { ...scope, ...dates };
  }
  return null;
}

const hasDates = (type) => type.parameters.some((parameter) => parameter.name === "from");

async function scopeValues(client, parameter, current) {
  if (!parameter) return [{}];
  if (current[parameter.name]) return [{ [parameter.name]: current[parameter.name] }];
  const { state } = await client.ask("GET", `${parameter.choices}?limit=${MAX_SCOPES}`);
  return state.items.map(({ value }) => ({ [parameter.name]: value }));
}

async function latestDates(client, type, scope, current) {
  const width = Math.min(type.limits.maxDays ?? WINDOW_DAYS, WINDOW_DAYS);
  const today = todayIn(zoneOf(new URLSearchParams(current)));
  for (let to = today, windows = MAX_WINDOWS; windows > 0; to = plus(to, -width), windows -= 1) {
    const last = await lastDay(client, type, { ...scope, from: plus(to, 1 - width), to });
    if (last) return last > plus(today, -USUAL_DAYS) ? datesUntil(today, width) : datesUntil(last, width);
  }
  return null;
}

const datesUntil = (to, width) => ({ from: plus(to, 1 - Math.min(USUAL_DAYS, width)), to });

/**
 * Return the day of the newest row, or null if there are no rows. If no sortable column contains a date, return
 * the last day of the window.
 */
async function lastDay(client, type, parameters) {
  const sortable = type.columns.filter((column) => column.sortable && ["date", "date-time"].includes(column.type));
  const usual = String(type.defaultSort ?? "").replace(/^-/, "");
  const key = (sortable.find((column) => column.key === usual) ?? sortable[0])?.key;
  const query = new URLSearchParams({ report: type.name, ...parameters, pageSize: "1", ...(key ? { sort: `-${key}` } : {}) });
  const { state } = await client.ask("GET", `/reports?${query}`);
  if (!state.total) return null;
  const day = String(state.items[0]?.[key] ?? parameters.to).slice(0, 10);
  return day >= parameters.from && day <= parameters.to ? day : parameters.to;
}
