/** Read and change the page's URL query, and convert it to a table query or an export request. */

import { useCallback, useEffect, useState } from "./html.js";

/** Parameters that only the page uses. */
const OWN = ["export", "columns"];
const TABLE_ONLY = ["page", "pageSize", "cursor"];
const COMMON = ["report", "sort", "timeZone", "filters", ...OWN, ...TABLE_ONLY];
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

/** Return the query without parameters that neither the page nor the report uses, such as `utm_source`. */
export function knownPart(query, type) {
  const names = new Set([...COMMON, ...type.parameters.map(({ name }) => name), ...type.filters.map(({ name }) => name)]);
  return new URLSearchParams([...query].filter(([name]) => names.has(name)));
}

/** Delete parameters that neither the page nor the report uses. */
export function prune(next, type) {
  const pruned = knownPart(next, type);
  for (const name of new Set(next.keys())) if (!pruned.has(name)) next.delete(name);
}

/** Return the time zone in the query, or UTC if it is missing or invalid. */
export const zoneOf = (query) => (isZone(query.get("timeZone") ?? "") ? query.get("timeZone") : "UTC");

/** Return whether the browser knows this IANA time zone. */
export function isZone(text) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: text }));
  } catch {
    return false;
  }
}

/** Return the query of `GET /reports`. */
export function tableQuery(query) {
  const parameters = new URLSearchParams(query);
  OWN.forEach((name) => parameters.delete(name));
  return parameters.toString();
}

/** Return the required parameters that have no value. */
export const missing = (query, type) => type.parameters.filter((parameter) => parameter.required && !query.get(parameter.name));

/** Return the body of `POST /exports` for the rows of the table in the same order. */
export function exportRequest(query, type) {
  const body = {};
  for (const [name, text] of query) {
    const isFilter = name === "filters" || type.filters.some((filter) => filter.name === name);
    if (!isFilter && !OWN.includes(name) && !TABLE_ONLY.includes(name)) body[name] = text;
  }
  const filters = filtersOf(query, type);
  return Object.keys(filters).length ? { ...body, filters } : body;
}

/** Return the valid column keys in the query, or null for all columns. */
export function columnsOf(query, columns) {
  if (!query.get("columns")) return null;
  const keys = columns.map((column) => column.key);
  const chosen = [...new Set(query.get("columns").split(","))].filter((key) => keys.includes(key));
  return chosen.length ? chosen : null;
}

/** Return the filters by name. Each is a JSON value or a list of them. */
export function filtersOf(query, type) {
  const filters = {};
  try {
    Object.assign(filters, JSON.parse(query.get("filters") ?? "{}"));
  } catch {
    // The API reports malformed filters.
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

/** Return the values of a filter as text for the form. */
export function shownValues(query, type, name) {
  const value = filtersOf(query, type)[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((item) => (item === null ? EMPTY : asText(item)));
}

const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const needsJson = (value) => value === null || typeof value === "object";

/** Set the values of a filter. If any filter contains null or operators, all are written to `filters` as JSON. */
export function setFilter(next, type, name, texts) {
  const all = filtersOf(next, type);
  const kind = type.filters.find((filter) => filter.name === name).type;
  const values = texts.map((text) => (text === EMPTY ? null : typed(text, kind)));
  if (values.length) all[name] = values;
  else delete all[name];
  for (const filter of type.filters) next.delete(filter.name);
  next.delete("filters");
  const lists = Object.entries(all).map(([key, value]) => [key, Array.isArray(value) ? value : [value]]);
  if (lists.some(([, list]) => list.some(needsJson))) next.set("filters", JSON.stringify(all));
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

/** Return the first sort key, such as "-submittedAt", as {key, descending}. */
export function sortOf(query, type) {
  const [first = ""] = (query.get("sort") ?? type.defaultSort ?? "").toString().split(",");
  return { key: first.replace(/^-/, ""), descending: first.startsWith("-") };
}

/** Return the errors of an API response by field name. */
export function mistakesOf(problem) {
  const mistakes = {};
  for (const { pointer, detail } of problem?.errors ?? []) {
    const name = pointer.replace(/^\/(filters\/)?/, "").replace(/~1/g, "/").replace(/~0/g, "~");
    mistakes[name] ??= detail;
  }
  return mistakes;
}
