/** Ask for confirmation before an action that cannot be undone. */

import { html, useEffect, useRef } from "./html.js";

export function ConfirmDialog({ title, act, onConfirm, onClose, children }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class="small" aria-labelledby="confirm-title" onClose=${onClose}>
    <h2 id="confirm-title">${title}</h2>
    <p>${children}</p>
    <div class="actions">
      <button type="button" class="danger" onClick=${() => (dialog.current.close(), onConfirm())}>${act}</button>
      <button type="button" autofocus onClick=${() => dialog.current.close()}>Cancel</button>
    </div>
  </dialog>`;
}
