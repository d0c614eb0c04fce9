/** Error panel that explains the cause and the next step for each error code. */

import { html } from "./html.js";
import { t } from "./texts.js";

/** Error codes whose message from the server contains details that the general text lacks. */
const DETAILED = ["rows.limit", "columns.limit", "source.unreadable", "request.invalid", "report.invalid", "report.key"];

export const causeOf = (error) => t.failures[error.code]?.cause ?? error.message;

/** `error` is {code, retryable, message}. The code is null if the API rejected the request. */
export function Failure({ title, error, id, runUrl, onRetry, onClose, onCopy }) {
  const texts = t.failures[error.code];
  const canHelp = error.retryable;
  return html`<section class="panel failed" role="alert">
    <div>
      <h2>${title}</h2>
      <p>${causeOf(error)}</p>
      ${texts && DETAILED.includes(error.code) && html`<p class="quiet">${error.message}</p>`}
      <p>${texts?.action ?? (canHelp ? t.tryLater : t.contactSupport)}</p>
      ${id && html`<p class="quiet">ID <code>${id}</code>${" "}
        <button type="button" class="link" onClick=${() => onCopy(id)}>${t.copyId}</button>
        ${runUrl && html`${" · "}<a href=${runUrl}>${t.openRun}</a>`}</p>`}
    </div>
    <div class="actions">
      <button type="button" class=${canHelp ? "primary" : ""} onClick=${onRetry}>${t.tryAgain}</button>
      <button type="button" class=${canHelp ? "" : "primary"} onClick=${onClose}>${t.close}</button>
    </div>
  </section>`;
}
