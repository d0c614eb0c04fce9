/** The page: one report's table, its Export button, and the caller's exports. */

import { exportClient, isFinal } from "./export-client.js";
import { ExportPanel, useExport, useTitle } from "./exporting.js";
import { Filters, ownMistakes, StrayMistakes } from "./filters.js";
import { html, render, useCallback, useEffect, useMemo, useRef, useState } from "./html.js";
import { DeleteDialog, MyExports, useMyExports } from "./my-exports.js";
import { DEFAULTS, OptionsDialog, withOptions } from "./options-dialog.js";
import { DEFAULT_REPORT, exportRequest, missing, mistakesOf, setParameter, tableQuery, useQuery } from "./query.js";
import { ScheduleDialogs, ScheduleList, useSchedules } from "./schedules.js";
import { Table, useTable } from "./table.js";
import { Toasts, useToasts } from "./toasts.js";
import { count, readyInWords, rows } from "./words.js";

const client = exportClient();
const fact = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

function App() {
  const [catalog, setCatalog] = useState({ types: null, csv: null, problem: null });
  const load = useCallback(() => {
    setCatalog({ types: null, csv: null, problem: null });
    client.ask("GET", "/report-types").then(
      ({ state }) => setCatalog({ types: state.items, csv: state.csv, problem: null }),
      (problem) => setCatalog({ types: null, csv: null, problem }),
    );
  }, []);
  useEffect(load, []);
  return html`<${Header} />
    <main>
      ${catalog.problem && html`<${LoadError} problem=${catalog.problem} onRetry=${load} />`}
      ${catalog.types?.length === 0 && html`<p class="empty">No reports have been declared yet.</p>`}
      ${catalog.types?.length > 0 && html`<${Reports} types=${catalog.types} csv=${catalog.csv} />`}
    </main>`;
}

function Header() {
  const prefect = fact("prefect-ui");
  return html`<header>
    <a class="brand" href="/"><span aria-hidden="true">⤓</span> Report Exports</a>
    <nav aria-label="For developers and operators">
      <a href="/docs">API docs</a>
      ${prefect && html`<a href=${prefect}>Prefect UI</a>`}
    </nav>
  </header>`;
}

function LoadError({ problem, onRetry }) {
  return html`<div class="panel failed" role="alert">
    <div><p><strong>Couldn't load this report.</strong> ${problem.message}</p></div>
    <button type="button" onClick=${onRetry}>Try again</button>
  </div>`;
}

function Reports({ types, csv }) {
  const [query, go] = useQuery();
  const name = query.get("report") ?? DEFAULT_REPORT;
  const type = types.find((each) => each.name === name) ?? (query.has("report") ? null : types[0]);
  const choose = (event) =>
    go((next) => {
      const kept = next.get("export");
      for (const each of [...next.keys()]) next.delete(each);
      next.set("report", event.target.value);
      if (kept) next.set("export", kept);
    });
  const unknown = type === null && `No report named “${name}”. Choose another report.`;
  const picker = html`<div class="field">
    <label for="report">Report</label>
    <select id="report" value=${type?.name ?? ""} onChange=${choose} aria-describedby=${unknown ? "report-note" : undefined}>
      ${unknown && html`<option value="">Choose a report</option>`}
      ${types.map((each) => html`<option key=${each.name} value=${each.name}>${each.title}</option>`)}
    </select>
    ${unknown && html`<p id="report-note" class="mistake">${unknown}</p>`}
  </div>`;
  if (type === null) return html`<h1>Reports</h1>${picker}`;
  return html`<${OneReport} key=${type.name} ...${{ types, type, csv, query, go, picker }} />`;
}

/** The table's query, or null while something that it needs is missing or plainly wrong. */
function asked(query, type, mistakes) {
  if (missing(query, type).length || Object.keys(mistakes).length) return null;
  const found = new URLSearchParams(tableQuery(query));
  found.set("report", type.name);
  return found.toString();
}

function OneReport({ types, type, csv, query, go, picker }) {
  const [options, setOptions] = useState(DEFAULTS);
  const [isChoosing, setChoosing] = useState(false);
  const [leaving, setLeaving] = useState(null);
  const [scheduling, setScheduling] = useState(null);
  const button = useRef();
  const { toasts, say, close } = useToasts();
  const own = useMemo(() => ownMistakes(query, type), [query, type]);
  const table = useTable(client, asked(query, type, own));
  const remember = (id) => go((next) => (id ? next.set("export", id) : next.delete("export")), true);

  const onEnd = (state, startedHere) => {
    if (state.status === "done") {
      say(readyInWords(state), client.downloadUrl(state.id));
      if (startedHere) download(state.id);
    } else if (state.status !== "error") {
      say(state.error.message);
      remember(null);
      if (state.status === "cancelled") button.current?.focus();
    }
  };
  const running = useExport(client, { onStarted: remember, onEnd, resumeId: query.get("export") });
  const news = `${running.id} ${running.state?.status} ${running.problem}`;
  const listed = useMyExports(client, news);
  const mine = { ...listed, items: listed.items?.map((each) => (each.id === running.state?.id ? running.state : each)) ?? null };
  const hasRun = running.state?.scheduleId && isFinal(running.state) ? running.id : "";
  const schedules = useSchedules(client, hasRun);
  useTitle(running, type.title);

  const request = { report: type.name, ...exportRequest(query, type) };
  const last = useRef(null);
  const begin = (make) => (last.current = make) && running.start(make);
  const again = () => begin(last.current ?? (() => client.retry(running.id)));
  const exportNow = () => {
    if (running.isRunning) return document.getElementById("running-export")?.focus();
    if (table.page?.total) begin(() => client.start(withOptions(request, options)));
  };
  const exportChosen = (chosen, zone, made) => {
    setOptions(chosen);
    go((next) => setParameter(next, "timeZone", zone === "UTC" ? "" : zone), true);
    begin(() => client.start(made));
  };
  const schedule = (made) => setScheduling({ make: made });
  /** Followed here, unless another export is. */
  const runNow = async ({ id, name }) => {
    const run = async () => (await client.ask("POST", `/schedules/${id}/run`)).state;
    if (!running.isRunning) return begin(run);
    await run().then(() => say(`Started “${name}”. The file will be in My exports.`), (problem) => say(problem.message));
    mine.load();
  };
  const remove = async (state) => {
    await client.remove(state.id).catch((problem) => problem.status === 404 || say(problem.message));
    if (state.id === running.id) (running.close(), remember(null));
    mine.load();
  };
  const mistakes = { ...mistakesOf(table.problem?.problem), ...own };

  return html`
    <div class="title">
      <h1>${type.title} ${table.page && html`<span class="badge count">${count(table.page.total)}</span>`}</h1>
      <${ExportButton} ref_=${button} running=${running} page=${table.page} onExport=${exportNow}
        onOptions=${() => table.page?.total && !running.isRunning && setChoosing(true)} />
    </div>
    <${ExportPanel} running=${running} onRetry=${again} onClose=${() => (running.close(), remember(null))} />
    <div class="columns-of-page">
      <section class="sheet" aria-label="Reports">
        <div class="bar">${types.length > 1 && picker}<${Filters} ...${{ client, query, type, go, mistakes }} /></div>
        <${StrayMistakes} mistakes=${mistakes} type=${type} go=${go} />
        <${Content} ...${{ table, type, query, go, mistakes }} />
      </section>
      <aside>
        <${MyExports} mine=${mine} types=${types} client=${client} onProblem=${say} onDelete=${setLeaving}
          onAgain=${(state) => begin(() => client.retry(state.id))} onSchedule=${(state) => schedule(state.request)} />
        <${ScheduleList} ...${{ client, types, schedules }} onProblem=${say} onRun=${runNow}
          onChange=${(each) => setScheduling({ change: each })} onDelete=${(each) => setScheduling({ remove: each })} />
      </aside>
    </div>
    ${isChoosing &&
    html`<${OptionsDialog} ...${{ client, csv, request, options }} columns=${table.page.columns} onExport=${exportChosen} onSchedule=${schedule}
      onClose=${() => (setChoosing(false), button.current?.focus())} />`}
    ${leaving && html`<${DeleteDialog} state=${leaving} onConfirm=${() => remove(leaving)} onClose=${() => setLeaving(null)} />`}
    <${ScheduleDialogs} ...${{ client, types, schedules, say }} asked=${scheduling} onClose=${() => setScheduling(null)} />
    <${Toasts} toasts=${toasts} close=${close} onClosed=${() => running.isRunning || remember(null)} />`;
}

function ExportButton({ ref_, running, page, onExport, onOptions }) {
  const { isRunning, state } = running;
  const label = isRunning ? `Exporting ${state?.progress ?? 0}%` : page?.total ? `Export ${rows(page.total)}` : "Export";
  const cannot = !isRunning && !page?.total;
  return html`<div class="split" role="group" aria-label="Export">
    <button ref=${ref_} id="export" type="button" class="primary" aria-disabled=${cannot || running.starting} onClick=${onExport}>${label}</button>
    <button type="button" class="primary caret" aria-label="Export options" aria-haspopup="dialog"
      aria-disabled=${cannot || isRunning} onClick=${onOptions}><span aria-hidden="true">▾</span></button>
  </div>`;
}

function Content({ table, type, query, go, mistakes }) {
  const needed = missing(query, type);
  if (needed.length) return html`<p class="empty">Choose ${namesOf(needed)} to see ${type.title.toLowerCase()}.</p>`;
  if (table.problem && Object.keys(mistakes).length) return html`<p class="empty">Fix the highlighted fields to see results.</p>`;
  if (table.problem) return html`<${LoadError} problem=${table.problem} onRetry=${table.reload} />`;
  if (Object.keys(mistakes).length) return html`<p class="empty">Fix the highlighted fields to see results.</p>`;
  if (!table.page) return html`<p class="empty" role="status">Loading…</p>`;
  return html`<div class=${table.isLoading ? "stale" : ""}><${Table} page=${table.page} isLoading=${table.isLoading} ...${{ type, query, go }} /></div>`;
}

/** "a survey and dates". */
const namesOf = (parameters) =>
  [...new Set(parameters.map(({ type, label }) => (type === "date" ? "dates" : withArticle(label.toLowerCase()))))].join(" and ");

const withArticle = (noun) => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

/** Once, through a link as a person would click it: the answer leads to a signed link and is an attachment. */
function download(id) {
  const link = Object.assign(document.createElement("a"), { href: client.downloadUrl(id), download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}

render(html`<${App} />`, document.getElementById("app"));
