/** The view of a report with filters, table and export button, and the lists of exports and schedules. */

import { ColumnsDialog, RowDialog } from "./column-picker.js";
import { firstParameters } from "./dates.js";
import { download, DownloadLink } from "./download.js";
import { isFinal } from "./export-client.js";
import { ExportPanel, useExport } from "./exporting.js";
import { Filters, ownMistakes, StrayMistakes } from "./filters.js";
import { count, readyInWords, rows } from "./format.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "./html.js";
import { DeleteDialog, MyExports, useMyExports } from "./my-exports.js";
import { differences, remember, remembered, withOptions } from "./options.js";
import { OptionsDialog } from "./options-dialog.js";
import { columnsOf, exportRequest, knownPart, missing, mistakesOf, prune, setParameter, tableQuery, zoneOf } from "./query.js";
import { ScheduleDialogs, ScheduleList, useSchedules } from "./schedules.js";
import { notify, useSignals } from "./signals.js";
import { Table, useTable } from "./table.js";
import { t } from "./texts.js";
import { Toasts, useToasts } from "./toasts.js";

/** Return the query of the table, or null if a parameter is missing or invalid. */
function requestedPage(query, type, mistakes) {
  if (missing(query, type).length || Object.keys(mistakes).length) return null;
  const parameters = new URLSearchParams(tableQuery(query));
  parameters.set("report", type.name);
  return parameters.toString();
}

/** Fill in default parameters on the first visit. Return true while they are being searched. */
function useFirstParameters(client, type, query, go) {
  const isGiven = (parameter) => Boolean(query.get(parameter.name));
  const isFirst = type.parameters.length > 0 && !type.parameters.some((parameter) => parameter.type === "date" && isGiven(parameter)) && missing(query, type).length > 0;
  const [isSearching, setSearching] = useState(isFirst);
  useEffect(() => {
    if (!isFirst) return;
    const current = Object.fromEntries(query);
    firstParameters(client, type, current)
      .then((parameters) => parameters && go((next) => (next.set("report", type.name), Object.entries(parameters).forEach(([name, text]) => next.get(name) || next.set(name, text))), true))
      .catch(() => {}) // the fields stay empty
      .finally(() => setSearching(false));
  }, []);
  return isSearching;
}

/** Return the options, columns and widths stored in this browser. Columns in the URL take precedence. */
function useChoices(type, query, go, columns) {
  const [choices, setChoices] = useState(() => remembered(type.name));
  const picked = query.has("columns") ? columnsOf(query, columns) : columnsOf(new URLSearchParams({ columns: choices.columns?.join(",") ?? "" }), columns);
  const change = (part) => {
    const next = { ...choices, columns: picked, ...part };
    setChoices(next);
    remember(type.name, next);
    if ("columns" in part) go((address) => (part.columns ? address.set("columns", part.columns.join(",")) : address.delete("columns")), true);
  };
  return { ...choices, columns: picked, change };
}

/** Return the columns of the table in the user's order, with functions that move and resize them. */
function layoutOf(columns, { columns: picked, widths, change }) {
  const visible = picked ? picked.map((key) => columns.find((column) => column.key === key)) : columns;
  const keys = visible.map((column) => column.key);
  const place = (key, before) => {
    const rest = keys.filter((column) => column !== key);
    const target = keys.indexOf(key) < keys.indexOf(before) ? rest.indexOf(before) + 1 : rest.indexOf(before);
    change({ columns: rest.toSpliced(target, 0, key) });
  };
  const move = (key, by) => keys[keys.indexOf(key) + by] && place(key, keys[keys.indexOf(key) + by]);
  return { columns: visible, widths, place, move, resize: (key, width) => change({ widths: { ...widths, [key]: width } }) };
}

export function Report({ client, prefectUi, types, type, formats, csv, query: address, go: change, picker, LoadError }) {
  const query = useMemo(() => knownPart(address, type), [address, type]);
  const go = useCallback((act, replace) => change((next) => (prune(next, type), act(next)), replace), [type]);
  useEffect(() => void (query.size < address.size && change((next) => prune(next, type), true)), [query]);
  const [open, setOpen] = useState(null); // the open dialog as {options}, {columns}, {row} or {leaving}
  const [scheduling, setScheduling] = useState(null);
  const [tab, setTab] = useState("table");
  const button = useRef();
  const { toasts, say, close } = useToasts();
  const isFilling = useFirstParameters(client, type, query, go);
  const own = useMemo(() => ownMistakes(query, type), [query, type]);
  const table = useTable(client, isFilling ? null : requestedPage(query, type, own));
  const columns = table.page?.columns ?? type.columns;
  const choices = useChoices(type, query, go, columns);
  const zone = zoneOf(query);
  const setFollowed = (id) => go((next) => (id ? next.set("export", id) : next.delete("export")), true);

  const startedHere = useRef(new Set());
  const onEnd = (state, isOurs) => {
    startedHere.current.delete(state.id);
    notify(state);
    if (state.status === "done") {
      say(readyInWords(state), html`<${DownloadLink} class="button" id=${state.id} ...${{ client }} onProblem=${say}>${t.download}<//>`);
      if (isOurs) download(client, state.id).catch((problem) => say(problem.message));
      setFollowed(null);
    } else if (state.status !== "error") {
      say(t.ended[state.error?.code] ?? state.error.message);
      setFollowed(null);
      if (state.status === "cancelled") button.current?.focus();
    }
  };
  const onStarted = (id) => (startedHere.current.add(id), setFollowed(id));
  const [resumeId] = useState(() => query.get("export"));
  const running = useExport(client, { onStarted, onEnd, onGone: () => setFollowed(null), resumeId });
  const hasRun = running.state?.scheduleId && isFinal(running.state) ? running.id : "";
  const schedules = useSchedules(client, hasRun);
  const titleOf = (state) =>
    state.name ?? schedules.items?.find((item) => item.id === state.scheduleId)?.name ?? types.find((item) => item.name === state.report)?.title ?? state.report;
  const news = `${running.id} ${running.state && isFinal(running.state)} ${running.problem}`;
  const mine = useMyExports(client, news, running.state);
  useSignals(running, type.title);
  useEffect(() => {
    // Announce exports that were started here but that the panel no longer follows.
    for (const state of mine.items ?? []) if (state.id !== running.id && isFinal(state) && startedHere.current.has(state.id)) onEnd(state, true);
  }, [mine.items]);

  const request = { report: type.name, ...exportRequest(query, type) };
  const last = useRef(null);
  const begin = (make) => (last.current = make) && running.start(make);
  const again = () => begin(last.current ?? (() => client.retry(running.id)));
  const exportNow = async () => {
    if (!table.page?.total || running.starting) return;
    const before = running.isRunning && running.id;
    const id = await begin(() => client.start(withOptions(request, choices.options, choices.columns)));
    if (id && id === before) document.getElementById("running-export")?.focus(); // the request matched the running export
  };
  const exportChosen = ({ options, columns: keys, zone: chosen }, body) => {
    choices.change({ options, columns: keys });
    go((next) => setParameter(next, "timeZone", chosen === "UTC" ? "" : chosen), true);
    begin(() => client.start(body));
  };
  const runNow = ({ id }) => begin(async () => (await client.ask("POST", `/schedules/${id}/run`)).state);
  const remove = async (state) => {
    await client.remove(state.id).catch((problem) => problem.status === 404 || say(problem.message));
    if (state.id === running.id) (running.close(), setFollowed(null));
    mine.load();
  };
  const copy = (text) => navigator.clipboard.writeText(text).then(() => say(t.copied), () => say(t.notCopied));
  const copyLink = (state) => copy(`${location.origin}${location.pathname}?${new URLSearchParams({ report: state.report, export: state.id })}`);
  const share = () => {
    const shared = new URLSearchParams(query);
    shared.delete("export");
    shared.set("report", type.name);
    if (choices.columns) shared.set("columns", choices.columns.join(","));
    copy(`${location.origin}${location.pathname}?${shared}`);
  };
  const mistakes = { ...mistakesOf(table.problem?.problem), ...own };
  const closeDialog = () => setOpen(null);
  const closePanel = () => (running.close(), setFollowed(null));

  return html`
    <div class="title">
      <h1><span>${type.title}</span> ${table.page && html`<span class="badge count">${count(table.page.total)}</span>`}</h1>
      <div class="actions">
        <button type="button" onClick=${share}>${t.share}</button>
        <${ExportButton} ref_=${button} ...${{ running, choices }} page=${table.page} onExport=${exportNow} onOptions=${() => table.page?.total && setOpen({ options: true })} />
      </div>
    </div>
    <${ExportPanel} ...${{ client, running, prefectUi }} isShared=${resumeId === running.id && !startedHere.current.has(running.id) && query.has("export")} onRetry=${again} onClose=${closePanel} onCopy=${copy} onProblem=${say} />
    <div class="tabs" role="group" aria-label=${t.view}>
      <button type="button" aria-pressed=${tab === "table" ? "true" : "false"} onClick=${() => setTab("table")}>${t.tableTab}</button>
      <button type="button" aria-pressed=${tab === "exports" ? "true" : "false"} onClick=${() => setTab("exports")}>${t.exportsTab}</button>
    </div>
    <div class="columns-of-page show-${tab}">
      <section class="sheet" aria-label=${t.table}>
        <div class="bar">${types.length > 1 && picker}<${Filters} ...${{ client, query, type, go, mistakes }} /></div>
        <${StrayMistakes} mistakes=${mistakes} type=${type} go=${go} />
        <${Content} ...${{ table, type, query, go, mistakes, zone, isFilling, LoadError }} layout=${layoutOf(columns, choices)}
          onColumns=${() => setOpen({ columns: true })} onRow=${(item) => setOpen({ row: item })} />
      </section>
      <aside>
        <${MyExports} ...${{ mine, types, client, titleOf }} onProblem=${say} onDelete=${(state) => setOpen({ leaving: state })} onCopy=${copyLink}
          onAgain=${(state) => begin(() => client.retry(state.id))} onSchedule=${(state) => setScheduling({ make: state.request })} />
        <${ScheduleList} ...${{ client, types, schedules }} onProblem=${say} onRun=${runNow}
          onChange=${(schedule) => setScheduling({ change: schedule })} onDelete=${(schedule) => setScheduling({ remove: schedule })} />
      </aside>
    </div>
    ${open?.options &&
    html`<${OptionsDialog} ...${{ client, formats, csv, request, columns }} hasChoices=${type.choices} chosen=${{ options: choices.options, columns: choices.columns, zone }} onExport=${exportChosen}
      onSchedule=${(body) => setScheduling({ make: body })} onClose=${closeDialog} />`}
    ${open?.columns && html`<${ColumnsDialog} columns=${columns} picked=${choices.columns} onChange=${(keys) => choices.change({ columns: keys })} onClose=${closeDialog} />`}
    ${open?.row && html`<${RowDialog} columns=${columns} item=${open.row} onClose=${closeDialog} />`}
    ${open?.leaving && html`<${DeleteDialog} state=${open.leaving} onConfirm=${() => remove(open.leaving)} onClose=${closeDialog} />`}
    <${ScheduleDialogs} ...${{ client, types, schedules, say }} action=${scheduling} onClose=${() => setScheduling(null)} />
    <${Toasts} toasts=${toasts} close=${close} />`;
}

/** Export button that describes the file, such as "Export 509 rows · 1 column · Plain CSV". */
function ExportButton({ ref_, running, page, choices, onExport, onOptions }) {
  const cannot = !page?.total;
  const label = page?.total ? [t.exportRows(rows(page.total)), ...differences(choices.options, choices.columns)].join(" · ") : t.export;
  return html`<div class="split" role="group" aria-label=${t.export}>
    <button ref=${ref_} id="export" type="button" class="primary" aria-disabled=${cannot || running.starting} onClick=${onExport}>${label}</button>
    <button type="button" class="primary caret" aria-label=${t.exportOptions} aria-haspopup="dialog" aria-disabled=${cannot} onClick=${onOptions}><span aria-hidden="true">▾</span></button>
  </div>`;
}

function Content({ table, type, query, mistakes, isFilling, LoadError, ...rest }) {
  if (isFilling) return html`<p class="empty" role="status">${t.loading}</p>`;
  const needed = missing(query, type);
  if (needed.length) return html`<p class="empty">${t.chooseToSee(needed, type.title)}</p>`;
  if (Object.keys(mistakes).length) return html`<p class="empty">${t.fixFields}</p>`;
  if (table.problem) return html`<${LoadError} problem=${table.problem} onRetry=${table.reload} />`;
  if (!table.page) return html`<p class="empty" role="status">${t.loading}</p>`;
  return html`<div class=${table.isLoading ? "stale" : ""}><${Table} page=${table.page} isLoading=${table.isLoading} ...${{ type, query }} ...${rest} /></div>`;
}
