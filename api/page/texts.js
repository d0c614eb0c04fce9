/** Load the page's texts in the user's language, or in English if there is no catalogue for it. */

import { en } from "./texts/en.js";

const CATALOGUES = { en: () => en, de: async () => (await import("./texts/de.js")).de };
/** The language in the parameter `lang` of the page's address, or an empty string. */
export const chosen = (new URLSearchParams(location.search).get("lang") ?? "").match(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/)?.[0] ?? "";
const preferred = [...(chosen ? [chosen] : []), ...navigator.languages].find((tag) => tag.slice(0, 2) in CATALOGUES) ?? "en";

/** BCP 47 tag for `Intl`, such as `de-AT`. */
export const locale = preferred;
export const language = preferred.slice(0, 2);
export const t = await CATALOGUES[language]();
