/** A progress bar; without a value it shows that something is going on. */

import { html } from "./html.js";

export const ProgressBar = ({ value, ...facts }) => html`<div class="meter"><progress ...${facts} max="100" ...${value === null ? {} : { value }} /></div>`;
