/** The page's texts in the reader's language, English where there is no catalogue for it. */

import { en } from "./texts/en.js";

const CATALOGUES = { en: () => en, de: async () => (await import("./texts/de.js")).de };
const wanted = navigator.languages.find((tag) => tag.slice(0, 2) in CATALOGUES) ?? "en";

/** BCP 47 tag for `Intl`, such as `de-AT`. */
export const locale = wanted;
export const language = wanted.slice(0, 2);
export const t = await CATALOGUES[language]();
