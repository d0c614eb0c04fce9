/** Describe when a schedule runs and which dates each run covers. */

export const FREQUENCIES = { daily: "Every day", weekdays: "Every weekday", weekly: "Every week", monthly: "Every month" };
export const WEEKDAYS = {
  MON: "Monday",
  TUE: "Tuesday",
  WED: "Wednesday",
  THU: "Thursday",
  FRI: "Friday",
  SAT: "Saturday",
  SUN: "Sunday",
};
/** Relative range presets of the API. */
export const PRESETS = {
  "previous-week": "the previous week",
  "previous-month": "the previous month",
  yesterday: "yesterday",
  today: "today so far",
  "last-7-days": "the last 7 days",
  "last-30-days": "the last 30 days",
  "last-90-days": "the last 90 days",
  "week-to-date": "this week so far",
  "month-to-date": "this month so far",
  "year-to-date": "this year so far",
};
export const SINCE_LAST = "new since last run";
/** Default preset of each frequency. */
export const USUAL_PRESET = { daily: "yesterday", weekdays: "yesterday", weekly: "previous-week", monthly: "previous-month" };

const DAYS = Object.keys(WEEKDAYS);
const PLAIN_CRON = /^(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\S+)$/;

/** {frequency, weekday, monthday, time} → five fields of cron. */
export function cronOf({ frequency, weekday, monthday, time }) {
  const [hour, minute] = time.split(":").map(Number);
  const [day, of] = { daily: ["*", "*"], weekdays: ["*", "MON-FRI"], weekly: ["*", weekday], monthly: [monthday, "*"] }[frequency];
  return `${minute} ${hour} ${day} * ${of}`;
}

/** The simple fields for a cron expression, or null if they cannot express it. */
export function choiceOf(cron) {
  const [, minute, hour, day, of] = PLAIN_CRON.exec(cron.trim()) ?? [];
  if (minute === undefined || hour > 23 || minute > 59) return null;
  const time = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (day !== "*") return of === "*" && day >= 1 && day <= 28 ? { frequency: "monthly", monthday: String(Number(day)), time } : null;
  if (of === "*") return { frequency: "daily", time };
  if (/^(1-5|MON-FRI)$/i.test(of)) return { frequency: "weekdays", time };
  const weekday = /^[0-7]$/.test(of) ? DAYS[(Number(of) + 6) % 7] : of.toUpperCase();
  return weekday in WEEKDAYS ? { frequency: "weekly", weekday, time } : null;
}

/** "Every Monday at 09:00, Europe/Madrid". */
export function recurrenceInWords({ cron, rrule, every, timeZone = "UTC" }) {
  const choice = cron && choiceOf(cron);
  if (choice) return `${slot(choice)} at ${choice.time}, ${timeZone}`;
  if (every) return `Every ${interval(every)}`;
  return `Custom (${cron ? `cron ${cron}` : rrule}), ${timeZone}`;
}

function slot({ frequency, weekday, monthday }) {
  if (frequency === "weekly") return `Every ${WEEKDAYS[weekday]}`;
  return frequency === "monthly" ? `On day ${monthday} of every month` : FREQUENCIES[frequency];
}

/** "P1W" → "week", "PT6H" → "6 hours". */
function interval(text) {
  const units = { W: "week", D: "day", H: "hour", M: "minute" };
  const parts = [...text.matchAll(/(\d+)([WDHM])/g)].map(([, number, unit]) =>
    Number(number) === 1 ? units[unit] : `${Number(number)} ${units[unit]}s`,
  );
  return parts.join(" and ") || text;
}

export function rangeInWords(range) {
  if (!range) return "all rows";
  if (range.kind === "absolute") return `always ${range.from} to ${range.to}`;
  return range.kind === "since-last" ? SINCE_LAST : (PRESETS[range.preset] ?? range.preset);
}

const formats = (zone) => {
  const day = { day: "numeric", month: "short", year: "numeric", timeZone: zone };
  const time = { hour: "2-digit", minute: "2-digit" };
  const made = (options) => new Intl.DateTimeFormat("en-GB", options);
  return { days: made(day), moments: made({ ...day, ...time }), slots: made({ weekday: "short", ...day, ...time }), clock: made({ ...time, timeZone: zone }) };
};

/** "Mon, 30 Nov 2026, 09:00", by the clocks of the zone. */
export const slotInWords = (moment, zone) => formats(zone).slots.format(new Date(moment));

/** "23–29 Nov 2026"; moments are written as days where they begin and end at midnight. */
export function coveredInWords(from, to, zone) {
  if (!from) return "all rows";
  const isDays = !from.includes("T");
  const { days, moments, clock } = formats(isDays ? "UTC" : zone);
  const [start, end] = [new Date(from), new Date(to)];
  if (isDays) return days.formatRange(start, end);
  const isWhole = [start, end].every((each) => clock.format(each) === "00:00");
  return isWhole ? days.formatRange(start, end - 1) : moments.formatRange(start, end);
}
