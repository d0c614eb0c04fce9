/** The page's address as the table's query and as the export's request. Pure, but for `useQuery`. */

import { useCallback, useEffect, useState } from "./html.js";

/** What the address holds for the page itself; all else goes to the API as it stands. */
const OWN = ["export"];
const NOT_FOR_EXPORTS = ["page", "pageSize", "cursor", "filters"];
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

/** The query of `GET /reports`. */
export function tableQuery(query) {
  const asked = new URLSearchParams(query);
  OWN.forEach((name) => asked.delete(name));
  return asked.toString();
}

/** Whether every value that the report must have is there. */
export const missing = (query, type) => type.parameters.filter((each) => each.required && !query.get(each.name));

/** The body of `POST /exports` for the same rows in the same order. */
export function exportRequest(query, type) {
  const filters = filtersOf(query, type);
  const body = {};
  for (const [name, text] of query) {
    const isFilter = type.filters.some((each) => each.name === name);
    if (!isFilter && !OWN.includes(name) && !NOT_FOR_EXPORTS.includes(name)) body[name] = text;
  }
  if (body.columns) body.columns = body.columns.split(",");
  return Object.keys(filters).length ? { ...body, filters } : body;
}

/** name → value or list of values, typed as JSON wants them. */
export function filtersOf(query, type) {
  const found = {};
  try {
    Object.assign(found, JSON.parse(query.get("filters") ?? "{}"));
  } catch {
    // The API says what is wrong with it.
  }
  for (const { name, type: kind } of type.filters) {
    const values = query.getAll(name).map((text) => typed(text, kind));
    if (values.length) found[name] = values.length > 1 ? values : values[0];
  }
  return found;
}

function typed(text, kind) {
  if (kind === "boolean") return { true: true, false: false }[text] ?? text;
  const isNumber = (kind === "integer" || kind === "number") && /^-?\d+(\.\d+)?$/.test(text);
  return isNumber ? Number(text) : text;
}

/** A filter's values as the form shows them. */
export function shownValues(query, type, name) {
  const value = filtersOf(query, type)[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((each) => (each === null ? EMPTY : String(each)));
}

/** Puts a filter's values into the address; a null cannot stand alone there, so all go together as JSON. */
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

/** "-submittedAt" → {key, descending}; of several keys the first. */
export function sortOf(query, type) {
  const [first = ""] = (query.get("sort") ?? type.defaultSort ?? "").toString().split(",");
  return { key: first.replace(/^-/, ""), descending: first.startsWith("-") };
}

/** The API's mistakes by the name of the field that they are about. */
export function mistakesOf(problem) {
  const found = {};
  for (const { pointer, detail } of problem?.errors ?? []) {
    const name = pointer.replace(/^\/(filters\/)?/, "").replace(/~1/g, "/").replace(/~0/g, "~");
    found[name] ??= detail;
  }
  return found;
}
