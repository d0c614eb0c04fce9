/** Read and change the page's URL query, and convert it to a table query or an export request. */

import { useCallback, useEffect, useState } from "./html.js";

/** Parameters that only the page uses. */
const OWN = ["export", "columns", "lang"];
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
  const names = new Set([...COMMON, ...type.parameters.map(({ name }) => name)]);
  return new URLSearchParams([...query].filter(([name]) => names.has(name) || filterParameter(name, type)));
}

/** Split a parameter such as "score[gte]" into the filter and the operator, which may be missing. Return null for other parameters. */
export function filterParameter(parameter, type) {
  const [, name, operator] = /^([^[]+)(?:\[([^[\]]+)\])?$/.exec(parameter) ?? [];
  const filter = type.filters.find((item) => item.name === name);
  return filter ? { filter, operator } : null;
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
    const isFilter = name === "filters" || filterParameter(name, type);
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

/** Return the filters by name. Each is a JSON value, a list of them, or an object of operators. */
export function filtersOf(query, type) {
  const filters = {};
  try {
    Object.assign(filters, JSON.parse(query.get("filters") ?? "{}"));
  } catch {
    // The API reports malformed filters.
  }
  for (const parameter of new Set(query.keys())) {
    const { filter, operator } = filterParameter(parameter, type) ?? {};
    if (!filter) continue;
    const values = query.getAll(parameter).map((text) => typed(text, operator === "null" ? "boolean" : filter.type));
    const value = values.length > 1 ? values : values[0];
    const others = isConditions(filters[filter.name]) ? filters[filter.name] : {};
    filters[filter.name] = operator ? { ...others, [operator]: value } : value;
  }
  return filters;
}

/** Return whether a filter's value is an object of operators. */
export const isConditions = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Convert the text of a value to JSON. Text that JavaScript cannot represent as a number of the same value is kept. */
export function typed(text, kind) {
  if (kind === "boolean") return { true: true, false: false }[text] ?? text;
  const isNumber = (kind === "integer" || kind === "number") && NUMBER.test(text) && text.replace(/\D/g, "").length <= EXACT_DIGITS;
  return isNumber ? Number(text) : text;
}

const NUMBER = /^-?\d+(\.\d+)?$/;
const EXACT_DIGITS = 15; // every number with so many digits survives the conversion

const listOf = (value) => (Array.isArray(value) ? value : [value]);

/** Return the values of a filter as text for the form. */
export const textsOf = (value) => (value === undefined ? [] : listOf(value).map((item) => (item === null ? EMPTY : asText(item))));

/** Return the values of a form field as JSON, or undefined if there are none. */
export const valuesOf = (texts, kind) => (texts.length ? texts.map((text) => (text === EMPTY ? null : typed(text, kind))) : undefined);

const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const needsJson = (value) => value === null || typeof value === "object";

/** Set a filter, or delete it if the value is undefined. If a parameter cannot express a filter, all are written to `filters` as JSON. */
export function setFilter(next, type, name, value) {
  const { [name]: _, ...all } = filtersOf(next, type);
  if (value !== undefined) all[name] = value;
  for (const parameter of new Set(next.keys())) if (filterParameter(parameter, type)) next.delete(parameter);
  next.delete("filters");
  const pairs = Object.entries(all).flatMap(([key, item]) => parametersOf(key, item));
  if (pairs.some(([, item]) => needsJson(item))) next.set("filters", JSON.stringify(all));
  else for (const [key, item] of pairs) next.append(key, String(item));
  firstPage(next);
}

/** Return the parameters of a filter as [name, value] pairs. */
function parametersOf(name, value) {
  if (!isConditions(value)) return listOf(value).map((item) => [name, item]);
  return Object.entries(value).flatMap(([operator, operand]) => listOf(operand).map((item) => [`${name}[${operator}]`, item]));
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
