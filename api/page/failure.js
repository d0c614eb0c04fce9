/** What went wrong, in plain words by error code, and what to do about it. */

import { html } from "./html.js";
import { t } from "./texts.js";

/** Codes whose server message holds a figure or name that the general text cannot. */
const DETAILED = ["rows.limit", "source.unreadable", "request.invalid", "report.invalid"];

export const causeOf = (error) => t.failures[error.code]?.cause ?? error.message;

/** `error` is {code, retryable, message}; a request that was refused has no code. */
export function Failure({ title, error, id, runUrl, onRetry, onClose, onCopy }) {
  const known = t.failures[error.code];
  const canHelp = error.retryable;
  return html`<section class="panel failed" role="alert">
    <div>
      <h2>${title}</h2>
      <p>${causeOf(error)}</p>
      ${known && DETAILED.includes(error.code) && html`<p class="quiet">${error.message}</p>`}
      <p>${known?.action ?? (canHelp ? t.tryLater : t.contactSupport)}</p>
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
