/** Show progress in the tab's title and favicon, and send an optional notification. */

import { isFinal } from "./export-client.js";
import { readyInWords } from "./format.js";
import { html, useEffect, useState } from "./html.js";
import { localItems } from "./storage.js";
import { t } from "./texts.js";

const icon = () => document.querySelector('link[rel="icon"]');
const PLAIN = icon()?.href;

/** Draw the favicon as a ring filled to `percent`, or as a check mark if `percent` is null. */
function drawnIcon(percent) {
  const ring = percent === null ? '<path d="M9 17l5 5 9-11" fill="none" stroke="#fff" stroke-width="3"/>' : `<circle cx="16" cy="16" r="9" fill="none" stroke="#fff" stroke-width="6" pathLength="100" stroke-dasharray="${percent} 100" transform="rotate(-90 16 16)"/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="${percent === null ? "#146c43" : "#3451c7"}"/>${ring}</svg>`)}`;
}

/** Update the title and favicon with the export. The check mark remains until the tab becomes visible. */
export function useSignals(running, title) {
  const { state, isRunning } = running;
  const [news, setNews] = useState(false);
  useEffect(() => {
    if (isRunning) setNews(false);
    else if (state && isFinal(state) && document.hidden) setNews(true);
    const seen = () => document.hidden || setNews(false);
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [isRunning, state?.status]);
  const isReady = news && state?.status === "done";
  useEffect(() => {
    const sign = isRunning && state ? `${state.progress}% · ` : isReady ? `✓ ${t.statuses.done} · ` : "";
    document.title = `${sign}${title ? `${title} · ` : ""}Report Exports`;
    if (icon()) icon().href = isRunning && state ? drawnIcon(state.progress) : isReady ? drawnIcon(null) : PLAIN;
  }, [isRunning, state?.progress, isReady, title]);
}

const STORAGE_KEY = "report-exports notify";

export const mayNotify = () => "Notification" in window && Notification.permission !== "denied";

export function NotifyChoice() {
  const [isOn, setOn] = useState(() => localItems.getItem(STORAGE_KEY) === "yes" && Notification.permission === "granted");
  const change = async (event) => {
    const isEnabled = event.target.checked && (await Notification.requestPermission()) === "granted";
    localItems.setItem(STORAGE_KEY, isEnabled ? "yes" : "no");
    setOn(isEnabled);
  };
  return html`<label class="check"><input type="checkbox" checked=${isOn} onChange=${change} /><span>${t.notifyMe}</span></label>`;
}

/** Send a notification about a finished export if the user has enabled it and the tab is hidden. */
export function notify(state) {
  if (!document.hidden || !mayNotify() || Notification.permission !== "granted" || localItems.getItem(STORAGE_KEY) !== "yes") return;
  const text = state.status === "done" ? readyInWords(state) : t.exportFailed;
  new Notification("Report Exports", { body: text, tag: state.id }).onclick = () => window.focus();
}
