/** Short messages in a live region; each leaves after a while, unless the pointer or the focus is on it. */

import { html, useCallback, useEffect, useState } from "./html.js";

const SHOWN_FOR = 8000; // milliseconds

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
    ${toasts.map((each) => html`<${Toast} key=${each.id} ...${each} onClose=${() => (close(each.id), onClosed())} />`)}
  </div>`;
}

function Toast({ text, link, onClose }) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(onClose, SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [isHeld]);
  const [hold, release] = [() => setHeld(true), () => setHeld(false)];
  return html`<div class="toast" onMouseEnter=${hold} onMouseLeave=${release} onFocusIn=${hold} onFocusOut=${release}>
    <p>${text}</p>
    <button type="button" class="icon" aria-label="Dismiss" onClick=${onClose}>×</button>
    ${link && html`<a class="button" href=${link} download="">Download</a>`}
  </div>`;
}
