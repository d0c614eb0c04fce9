/** Date presets of the filter bar, and the dates of a first visit. */

import { zoneOf } from "./query.js";
import { t } from "./texts.js";

const DAY = 86_400_000;
const iso = (moment) => new Date(moment).toISOString().slice(0, 10);
const plus = (day, days) => iso(Date.parse(day) + days * DAY);
const month = (day, by) => iso(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)) - 1 + by, 1));
const sinceQuarter = (day) => (Number(day.slice(5, 7)) - 1) % 3;

/** Today's date in a time zone, as "2026-11-30". */
export const todayIn = (zone) => new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short" }).format(new Date());

/** First and last day of each preset, both included. */
export const PRESETS = {
  today: (today) => [today, today],
  yesterday: (today) => [plus(today, -1), plus(today, -1)],
  "last-7-days": (today) => [plus(today, -6), today],
  "last-30-days": (today) => [plus(today, -29), today],
  "last-90-days": (today) => [plus(today, -89), today],
  "this-month": (today) => [month(today, 0), today],
  "last-month": (today) => [month(today, -1), plus(month(today, 0), -1)],
  "this-quarter": (today) => [month(today, -sinceQuarter(today)), today],
  "this-year": (today) => [`${today.slice(0, 4)}-01-01`, today],
};

const daysIn = ([from, to]) => (Date.parse(to) - Date.parse(from)) / DAY + 1;

/** [name, text] of the presets that fit into `maxDays`. */
export const presetChoices = (today, maxDays) =>
  Object.keys(PRESETS)
    .filter((name) => maxDays === null || daysIn(PRESETS[name](today)) <= maxDays)
    .map((name) => [name, t.datePresets[name]]);

/** Name of the preset that these dates are, or "". */
export const presetOf = (from, to, today) =>
  Object.keys(PRESETS).find((name) => PRESETS[name](today).join() === `${from},${to}`) ?? "";

const [USUAL_DAYS, WINDOW_DAYS, MAX_WINDOWS, MAX_SCOPES] = [30, 366, 6, 4];

/**
 * Parameters for a first visit: the first value of each scope and the last 30 days that have rows, searched
 * backwards in windows as long as the report allows. Null if there are none to be found.
 */
export async function firstParameters(client, type, given) {
  const scopes = type.parameters.filter((each) => each.pattern);
  if (scopes.length > 1 || scopes.some((each) => !each.choices)) return null;
  for (const scope of await scopeValues(client, scopes[0], given)) {
    const dates = hasDates(type) ? await latestDates(client, type, scope, given) : {};
    if (dates) return { ...scope, ...dates };
  }
  return null;
}

const hasDates = (type) => type.parameters.some((each) => each.name === "from");

async function scopeValues(client, parameter, given) {
  if (!parameter) return [{}];
  if (given[parameter.name]) return [{ [parameter.name]: given[parameter.name] }];
  const { state } = await client.ask("GET", `${parameter.choices}?limit=${MAX_SCOPES}`);
  return state.items.map(({ value }) => ({ [parameter.name]: value }));
}

async function latestDates(client, type, scope, given) {
  const width = Math.min(type.limits.maxDays ?? WINDOW_DAYS, WINDOW_DAYS);
  const today = todayIn(zoneOf(new URLSearchParams(given)));
  for (let to = today, left = MAX_WINDOWS; left > 0; to = plus(to, -width), left -= 1) {
    const last = await lastDay(client, type, { ...scope, from: plus(to, 1 - width), to });
    if (last) return last > plus(today, -USUAL_DAYS) ? datesUntil(today, width) : datesUntil(last, width);
  }
  return null;
}

const datesUntil = (to, width) => ({ from: plus(to, 1 - Math.min(USUAL_DAYS, width)), to });

/** Day of the newest row, or null without rows; the last day of the window where no column tells. */
async function lastDay(client, type, parameters) {
  const sortable = type.columns.filter((each) => each.sortable && ["date", "date-time"].includes(each.type));
  const usual = String(type.defaultSort ?? "").replace(/^-/, "");
  const key = (sortable.find((each) => each.key === usual) ?? sortable[0])?.key;
  const query = new URLSearchParams({ report: type.name, ...parameters, pageSize: "1", ...(key ? { sort: `-${key}` } : {}) });
  const { state } = await client.ask("GET", `/reports?${query}`);
  if (!state.total) return null;
  const day = String(state.items[0]?.[key] ?? parameters.to).slice(0, 10);
  return day >= parameters.from && day <= parameters.to ? day : parameters.to;
}
