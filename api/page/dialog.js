/** Modal dialogs. Esc closes them and the browser restores the focus. */

import { html, useEffect, useRef } from "./html.js";
import { t } from "./texts.js";

/** `children` is a function that receives `close` and returns the content of the dialog. */
export function Dialog({ id, title, kind = "", onClose, children }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class=${kind} aria-labelledby="${id}-title" onClose=${onClose}>
    <h2 id="${id}-title">${title}</h2>
    ${children(() => dialog.current.close())}
  </dialog>`;
}

/** Ask for confirmation before an action that cannot be undone. */
export function ConfirmDialog({ title, act, onConfirm, onClose, children }) {
  return html`<${Dialog} id="confirm" title=${title} kind="small" onClose=${onClose}>
    ${(close) => html`<p>${children}</p>
      <div class="actions">
        <button type="button" class="danger" onClick=${() => (close(), onConfirm())}>${act}</button>
        <button type="button" autofocus onClick=${close}>${t.cancel}</button>
      </div>`}
  <//>`;
}
