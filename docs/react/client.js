import { exportClient } from "./export-client.js";

// Set by your page, such as { base: "https://exports.example.com", token: "…" }. Unset: the same origin, no key.
const { base, token } = globalThis.reportExports ?? {};

export const client = exportClient({ base, headers: () => (token ? { Authorization: `Bearer ${token}` } : {}) });
