/** The page's address as the table's query and as an export request. */

import { useCallback, useEffect, useState } from "./html.js";

/** Parameters for the page itself. */
const OWN = ["export", "columns"];
const TABLE_ONLY = ["page", "pageSize", "cursor"];
const COMMON = ["report", "sort", "timeZone", "filters", ...OWN, ...TABLE_ONLY];
export const DEFAULT_REPORT = "survey-responses";
export const EMPTY = "(empty)";

export function useQuery() {
  const [query, setQuery] = useState(() => new URLSearchParams(location.search));
  useEffect(() => {
    const back = () => setQuery(new URLSearchParams(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const go = useCallback((change, replace = false) => {
    const next = new URLSearchParams(location.search);
    change(next);
    const address = `${location.pathname}${next.size ? `?${next}` : ""}`;
    history[replace ? "replaceState" : "pushState"](null, "", address);
    setQuery(next);
  }, []);
  return [query, go];
}

/** The query without parameters that neither the page nor the report knows, such as `utm_source`. */
export function knownPart(query, type) {
  const known = new Set([...COMMON, ...type.parameters.map((each) => each.name), ...type.filters.map((each) => each.name)]);
  return new URLSearchParams([...query].filter(([name]) => known.has(name)));
}

/** Reduce the address to its known part. */
export function prune(next, type) {
  const known = knownPart(next, type);
  for (const name of new Set(next.keys())) if (!known.has(name)) next.delete(name);
}

/** The time zone of the address, UTC where there is none or it is wrong. */
export const zoneOf = (query) => (isZone(query.get("timeZone") ?? "") ? query.get("timeZone") : "UTC");

/** Whether the browser knows the IANA name. */
export function isZone(text) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: text }));
  } catch {
    return false;
  }
}

/** Query of `GET /reports`. */
export function tableQuery(query) {
  const asked = new URLSearchParams(query);
  OWN.forEach((name) => asked.delete(name));
  return asked.toString();
}

/** Required parameters that have no value yet. */
export const missing = (query, type) => type.parameters.filter((each) => each.required && !query.get(each.name));

/** Body of `POST /exports` for the table's rows in the table's order. */
export function exportRequest(query, type) {
  const body = {};
  for (const [name, text] of query) {
    const isFilter = name === "filters" || type.filters.some((each) => each.name === name);
    if (!isFilter && !OWN.includes(name) && !TABLE_ONLY.includes(name)) body[name] = text;
  }
  const filters = filtersOf(query, type);
  return Object.keys(filters).length ? { ...body, filters } : body;
}

/** Keys of the columns in the address that the report has, in their order; null for all. */
export function columnsOf(query, columns) {
  if (!query.get("columns")) return null;
  const keys = columns.map((each) => each.key);
  const chosen = [...new Set(query.get("columns").split(","))].filter((key) => keys.includes(key));
  return chosen.length ? chosen : null;
}

/** Name → value or list of values, typed for JSON. */
export function filtersOf(query, type) {
  const filters = {};
  try {
    Object.assign(filters, JSON.parse(query.get("filters") ?? "{}"));
  } catch {
    // The API reports what is wrong with it.
  }
  for (const { name, type: kind } of type.filters) {
    const values = query.getAll(name).map((text) => typed(text, kind));
    if (values.length) filters[name] = values.length > 1 ? values : values[0];
  }
  return filters;
}

function typed(text, kind) {
  if (kind === "boolean") return { true: true, false: false }[text] ?? text;
  const isNumber = (kind === "integer" || kind === "number") && String(Number(text)) === text;
  return isNumber ? Number(text) : text;
}

/** A filter's values as the form shows them. */
export function shownValues(query, type, name) {
  const value = filtersOf(query, type)[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((each) => (each === null ? EMPTY : String(each)));
}

/** Put a filter's values into the address; null needs the JSON form, and then all filters go there. */
export function setFilter(next, type, name, shown) {
  const all = filtersOf(next, type);
  const kind = type.filters.find((each) => each.name === name).type;
  const values = shown.map((text) => (text === EMPTY ? null : typed(text, kind)));
  if (values.length) all[name] = values;
  else delete all[name];
  for (const each of type.filters) next.delete(each.name);
  next.delete("filters");
  const lists = Object.entries(all).map(([key, value]) => [key, Array.isArray(value) ? value : [value]]);
  if (lists.some(([, list]) => list.includes(null))) next.set("filters", JSON.stringify(all));
  else for (const [key, list] of lists) for (const value of list) next.append(key, String(value));
  firstPage(next);
}

export function setParameter(next, name, text) {
  if (text) next.set(name, text);
  else next.delete(name);
  firstPage(next);
}

export function firstPage(next) {
  next.delete("page");
  next.delete("cursor");
}

/** "-submittedAt" → {key, descending}; the first of several keys. */
export function sortOf(query, type) {
  const [first = ""] = (query.get("sort") ?? type.defaultSort ?? "").toString().split(",");
  return { key: first.replace(/^-/, ""), descending: first.startsWith("-") };
}

/** The API's mistakes by field name. */
export function mistakesOf(problem) {
  const mistakes = {};
  for (const { pointer, detail } of problem?.errors ?? []) {
    const name = pointer.replace(/^\/(filters\/)?/, "").replace(/~1/g, "/").replace(/~0/g, "~");
    mistakes[name] ??= detail;
  }
  return mistakes;
}
