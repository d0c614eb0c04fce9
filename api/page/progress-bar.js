/** A progress bar, which is indeterminate if `value` is null. */

import { html } from "./html.js";

export const ProgressBar = ({ value, ...attributes }) => html`<div class="meter"><progress ...${attributes} max="100" ...${value === null ? {} : { value }} /></div>`;
