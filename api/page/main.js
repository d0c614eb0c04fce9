/** Entry point of the page. Shows the sign-in form if the API requires a key, and then the selected report. */

import { exportClient } from "./export-client.js";
import { html, render, useCallback, useEffect, useState } from "./html.js";
import { parseExactly } from "./json.js";
import { useQuery } from "./query.js";
import { Report } from "./report.js";
import { BASE, currentKey, forgetKey, onRefused, requestHeaders, SignIn, watchedFetch } from "./session.js";
import { language, t } from "./texts.js";

const client = exportClient({ base: BASE, headers: requestHeaders, parse: parseExactly, fetch: watchedFetch });
const prefectUi = document.querySelector('meta[name="prefect-ui"]')?.content ?? "";
const EMPTY = { types: null, disabled: [], formats: null, csv: null, problem: null };

function App() {
  const [catalog, setCatalog] = useState(EMPTY);
  const [needsKey, setNeedsKey] = useState(false);
  const load = useCallback(() => {
    setCatalog(EMPTY);
    setNeedsKey(false);
    client.ask("GET", "/report-types").then(
      ({ state }) => setCatalog({ types: state.items, disabled: state.disabled, formats: state.formats, csv: state.csv, problem: null }),
      (problem) => problem.status === 401 || setCatalog({ ...EMPTY, problem }),
    );
  }, []);
  useEffect(load, []);
  useEffect(() => onRefused(() => setNeedsKey(true)), []);
  const signOut = () => (forgetKey(), load());
  return html`<${Header} onSignOut=${!needsKey && currentKey() && signOut} />
    <main>
      ${needsKey && html`<${SignIn} onKey=${load} />`}
      ${!needsKey && catalog.disabled.length > 0 && html`<${DisabledReports} reports=${catalog.disabled} />`}
      ${!needsKey && html`<${Content} ...${{ catalog }} onRetry=${load} />`}
    </main>`;
}

function Header({ onSignOut }) {
  return html`<header>
    <a class="brand" href="${BASE}/"><span aria-hidden="true">⤓</span> Report Exports</a>
    <nav aria-label=${t.forDevelopers}>
      <a href="${BASE}/docs">${t.apiDocs}</a>
      ${prefectUi && html`<a href=${prefectUi}>Prefect UI</a>`}
      ${onSignOut && html`<button type="button" class="link" onClick=${onSignOut}>${t.signOut}</button>`}
    </nav>
  </header>`;
}

/** Show operators which reports are broken. The API lists none for other callers. */
const DisabledReports = ({ reports }) => html`<div class="panel failed" role="status">
  <div>
    <p><strong>${t.disabledReports}</strong></p>
    ${reports.map(({ name, reason }) => html`<p key=${reason}>${name}: ${reason}</p>`)}
  </div>
</div>`;

function Content({ catalog, onRetry }) {
  const { types, formats, csv, problem } = catalog;
  if (problem) return html`<${LoadError} problem=${problem} onRetry=${onRetry} />`;
  if (types === null) return html`<p class="empty" role="status">${t.loading}</p>`;
  if (types.length === 0) return html`<p class="empty">${t.noReports}</p>`;
  return html`<${Reports} ...${{ types, formats, csv }} />`;
}

const LoadError = ({ problem, onRetry }) => html`<div class="panel failed" role="alert">
  <div><p><strong>${t.reportFailed}</strong> ${problem.message}</p></div>
  <button type="button" onClick=${onRetry}>${t.tryAgain}</button>
</div>`;

function Reports({ types, formats, csv }) {
  const [query, go] = useQuery();
  const name = query.get("report") ?? types.find((item) => item.default)?.name;
  const type = types.find((item) => item.name === name) ?? (query.has("report") ? null : types[0]);
  const choose = (event) =>
    go((next) => {
      for (const parameter of [...next.keys()]) if (parameter !== "lang") next.delete(parameter);
      next.set("report", event.target.value);
    });
  const unknown = type === null && t.noSuchReport(name);
  const picker = html`<div class="field report">
    <label for="report">${t.report}</label>
    <select id="report" value=${type?.name ?? ""} onChange=${choose} aria-describedby=${unknown ? "report-note" : undefined}>
      ${unknown && html`<option value="">${t.chooseReport}</option>`}
      ${types.map((item) => html`<option key=${item.name} value=${item.name}>${item.title}</option>`)}
    </select>
    ${unknown && html`<p id="report-note" class="mistake">${unknown}</p>`}
  </div>`;
  if (type === null) return html`<h1>${t.reports}</h1>${picker}`;
  return html`<${Report} key=${type.name} ...${{ client, prefectUi, types, type, formats, csv, query, go, picker, LoadError }} />`;
}

document.documentElement.lang = language;
render(html`<${App} />`, document.getElementById("app"));
