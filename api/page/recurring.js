/** Recurring exports: shown only where the API has them. */

import { html, useEffect, useState } from "./html.js";

/** The list, or null where the API has no schedules. */
export function useSchedules(client, isOffered) {
  const [items, setItems] = useState(null);
  useEffect(() => {
    if (isOffered) client.ask("GET", "/schedules").then(({ state }) => setItems(state.items), () => {});
  }, [isOffered]);
  return items;
}

export function Recurring({ items }) {
  return html`<section class="mine" aria-labelledby="recurring">
    <h2 id="recurring">Recurring exports</h2>
    ${items.length === 0 && html`<p class="quiet">There are none yet.</p>`}
    <ul>
      ${items.map(
        (each) => html`<li key=${each.id}>
          <div class="head"><strong>${each.name}</strong><span class="badge">${each.enabled ? "On" : "Paused"}</span></div>
          <p class="quiet">${each.recurrence?.cron ?? each.recurrence?.rrule ?? each.recurrence?.every} · ${each.recurrence?.timeZone ?? "UTC"}</p>
        </li>`,
      )}
    </ul>
  </section>`;
}
