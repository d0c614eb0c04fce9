/** Numbers, sizes, times and filters in words. Pure: the moment is an argument. */

const plain = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

export const count = (number) => plain.format(number);
export const rows = (number) => `${count(number)} ${number === 1 ? "row" : "rows"}`;

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} ${["B", "kB", "MB", "GB"][step]}`;
}

/** "in 6 days", "2 hours ago", "now". */
export function when(moment, now) {
  const distance = new Date(moment) - now;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(distance) >= each) ?? ["second", 1000];
  return unit === "second" ? "now" : relative.format(Math.trunc(distance / length), unit);
}

export function expiry(moment, now) {
  return new Date(moment) <= now ? "expired" : `expires ${when(moment, now).replace("now", "soon")}`;
}

/** A request's dates and filters: "2024-07-19 to 2024-07-26 · Attended: yes". */
export function requestInWords(request, type, nothing = "All rows") {
  const parts = [];
  if (request.from && request.to) {
    parts.push(request.from === request.to ? day(request.from) : `${day(request.from)} to ${day(request.to)}`);
  }
  for (const [name, value] of Object.entries(request.filters ?? {})) {
    const label = type?.filters.find((each) => each.name === name)?.label ?? name;
    parts.push(`${label}: ${(Array.isArray(value) ? value : [value]).map(valueInWords).join(" or ")}`);
  }
  if (request.timeZone && request.timeZone !== "UTC") parts.push(request.timeZone);
  return parts.join(" · ") || nothing;
}

/** Zero-padded, as date fields want it; what is no plain date stays as it is. */
export function day(text) {
  const found = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text);
  return found ? `${found[1]}-${found[2].padStart(2, "0")}-${found[3].padStart(2, "0")}` : text;
}

function valueInWords(value) {
  if (value === null) return "empty";
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

/** A cell as the table shows it; null for an empty one. */
export function cell(value, type) {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (type === "date-time") return String(value).replace("T", " ").replace(/(:\d\d)[.,]\d+/, "$1").replace(/Z|\+00:00$/, "");
  return String(value);
}

export function progressInWords(state) {
  const { expected, written } = state.rows;
  if (state.phase === "cancelling") return "Cancelling…";
  if (state.status === "queued") {
    const ahead = state.queue.position;
    return ahead ? `In the queue · ${count(ahead)} ahead` : "In the queue";
  }
  if (state.status === "finalizing") return "Checking the file…";
  if (expected === null) return "Counting rows…";
  return `Exporting ${state.progress}% · ${count(written)} of ${rows(expected)}`;
}

export function readyInWords(state) {
  const { file, rows: counted } = state;
  const whole = `${count(file.rows)} of ${rows(counted.expected ?? file.rows)}`;
  return `${file.name} is ready: ${whole} · ${size(file.bytes)}.`;
}
