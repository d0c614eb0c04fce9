/** Messages that come and may be closed, in a live region. */

import { html, useCallback, useState } from "./html.js";

export function useToasts() {
  const [toasts, setToasts] = useState([]);
  const say = useCallback((text, link = null) => {
    setToasts((before) => [...before.slice(-2), { id: crypto.getRandomValues(new Uint32Array(1))[0], text, link }]);
  }, []);
  const close = useCallback((id) => setToasts((before) => before.filter((each) => each.id !== id)), []);
  return { toasts, say, close };
}

export function Toasts({ toasts, close, onClosed }) {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map(
      ({ id, text, link }) => html`<div class="toast" key=${id}>
        <p>${text}</p>
        <button type="button" class="icon" aria-label="Close the message" onClick=${() => (close(id), onClosed())}>×</button>
        ${link && html`<a class="button" href=${link} download="">Download</a>`}
      </div>`,
    )}
  </div>`;
}
