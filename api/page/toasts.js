/** Short messages that disappear after a while, unless the pointer or the focus is on them. */

import { html, useCallback, useEffect, useState } from "./html.js";
import { t } from "./texts.js";

const [SHOWN_FOR, MOST] = [8000, 3]; // milliseconds, messages

export function useToasts() {
  const [toasts, setToasts] = useState([]);
  const say = useCallback((text, action = null) => {
    setToasts((before) => [...before.slice(1 - MOST), { id: crypto.getRandomValues(new Uint32Array(1))[0], text, action }]);
  }, []);
  const close = useCallback((id) => setToasts((before) => before.filter((toast) => toast.id !== id)), []);
  return { toasts, say, close };
}

export function Toasts({ toasts, close }) {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map((toast) => html`<${Toast} key=${toast.id} ...${toast} onClose=${() => close(toast.id)} />`)}
  </div>`;
}

function Toast({ text, action, onClose }) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(onClose, SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [isHeld]);
  const [hold, release] = [() => setHeld(true), () => setHeld(false)];
  return html`<div class="toast" onMouseEnter=${hold} onMouseLeave=${release} onFocusIn=${hold} onFocusOut=${release}>
    <p>${text}</p>
    <button type="button" class="icon" aria-label=${t.dismiss} onClick=${onClose}>×</button>
    ${action}
  </div>`;
}
