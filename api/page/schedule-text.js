/** Describe when a schedule runs and which dates each run covers. */

import { locale, t } from "./texts.js";

export const FREQUENCIES = t.frequencies;
export const WEEKDAYS = t.weekdays;
/** Relative range presets of the API. */
export const PRESETS = t.ranges;
/** Default preset of each frequency. */
export const USUAL_PRESET = { daily: "yesterday", weekdays: "yesterday", weekly: "previous-week", monthly: "previous-month" };

const DAYS = Object.keys(WEEKDAYS);
const SIMPLE_CRON = /^(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\S+)$/;

/** Convert the simple fields {frequency, weekday, monthday, time} to a cron expression. */
export function cronOf({ frequency, weekday, monthday, time }) {
  const [hour, minute] = time.split(":").map(Number);
  const [day, of] = { daily: ["*", "*"], weekdays: ["*", "MON-FRI"], weekly: ["*", weekday], monthly: [monthday, "*"] }[frequency];
  return `${minute} ${hour} ${day} * ${of}`;
}

/** Convert a cron expression to the simple fields, or return null if they cannot express it. */
export function choiceOf(cron) {
  const [, minute, hour, day, of] = SIMPLE_CRON.exec(cron.trim()) ?? [];
  if (minute === undefined || hour > 23 || minute > 59) return null;
  const time = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (day !== "*") return of === "*" && day >= 1 && day <= 28 ? { frequency: "monthly", monthday: String(Number(day)), time } : null;
  if (of === "*") return { frequency: "daily", time };
  if (/^(1-5|MON-FRI)$/i.test(of)) return { frequency: "weekdays", time };
  const weekday = /^[0-7]$/.test(of) ? DAYS[(Number(of) + 6) % 7] : of.toUpperCase();
  return weekday in WEEKDAYS ? { frequency: "weekly", weekday, time } : null;
}

/** Describe a recurrence, such as "Every Monday at 09:00, Europe/Madrid". */
export function recurrenceInWords({ cron, rrule, every, timeZone = "UTC" }) {
  const choice = cron && choiceOf(cron);
  if (choice) return t.recurrence(slot(choice), choice.time, timeZone);
  if (every) return t.every(interval(every));
  return t.customRecurrence(cron ? `cron ${cron}` : rrule, timeZone);
}

function slot({ frequency, weekday, monthday }) {
  if (frequency === "weekly") return t.everyWeekday(WEEKDAYS[weekday]);
  return frequency === "monthly" ? t.everyMonthOn(monthday) : FREQUENCIES[frequency];
}

/** Format an ISO 8601 duration, such as "PT6H" → "6 hours". */
function interval(text) {
  const units = { W: "week", D: "day", H: "hour", M: "minute" };
  const parts = [...text.matchAll(/(\d+)([WDHM])/g)].map(([, number, unit]) =>
    new Intl.NumberFormat(locale, { style: "unit", unit: units[unit], unitDisplay: "long" }).format(number),
  );
  return parts.length ? new Intl.ListFormat(locale).format(parts) : text;
}

export function rangeInWords(range) {
  if (!range) return t.everyRow;
  if (range.kind === "absolute") return t.always(coveredInWords(range.from, range.to, "UTC"));
  return range.kind === "since-last" ? t.sinceLast : (PRESETS[range.preset] ?? range.preset);
}

const formats = (zone) => {
  const day = { day: "numeric", month: "short", year: "numeric", timeZone: zone };
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const format = (options) => new Intl.DateTimeFormat(locale, options);
  return { days: format(day), moments: format({ ...day, ...time }), slots: format({ weekday: "short", ...day, ...time }), clock: format({ ...time, timeZone: zone }) };
};

/** Format the time of a run in the zone, such as "Mon, 30 Nov 2026, 09:00". */
export const slotInWords = (moment, zone) => formats(zone).slots.format(new Date(moment));

/** Format the range that a run covers, such as "23–29 Nov 2026". Times are omitted if both are midnight. */
export function coveredInWords(from, to, zone) {
  if (!from) return t.everyRow;
  const isDays = !from.includes("T");
  const { days, moments, clock } = formats(isDays ? "UTC" : zone);
  const [start, end] = [new Date(from), new Date(to)];
  if (isDays) return days.formatRange(start, end);
  const isWhole = [start, end].every((moment) => clock.format(moment) === "00:00");
  return isWhole ? days.formatRange(start, end - 1) : moments.formatRange(start, end);
}
