/** Download links that work with and without an API key. */

import { html } from "./html.js";
import { currentKey } from "./session.js";

/** Click a temporary link. The response is an attachment, so the browser does not leave the page. */
export function openDownload(url, name = "") {
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Download the file of an export. Links cannot send an API key, so signed-in users get a signed link. */
export async function download(client, id) {
  if (!currentKey()) return openDownload(client.downloadUrl(id));
  const url = await client.signedUrl(id);
  if (url) openDownload(url);
}

export async function downloadManifest(client, id) {
  const { state } = await client.ask("GET", `/exports/${id}/manifest`);
  const url = URL.createObjectURL(new Blob([JSON.stringify(state, null, 2)], { type: "application/json" }));
  openDownload(url, `${state.name}.manifest.json`);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function DownloadLink({ client, id, label, children, onProblem, ...rest }) {
  const click = (event) => {
    if (!currentKey()) return;
    event.preventDefault();
    download(client, id).catch((problem) => onProblem(problem.message));
  };
  return html`<a ...${rest} href=${client.downloadUrl(id)} download="" aria-label=${label} onClick=${click}>${children}</a>`;
}
