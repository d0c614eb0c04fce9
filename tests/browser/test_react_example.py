"""Build the example from docs/front-end.md as documented and test it against the API."""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from api.access.api_keys import KeyFile
from tests.browser.conftest import Open

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/react"
BUILT_WITHIN_SECONDS = 240
HTML = """<!doctype html><html lang="en"><title>Example</title><link rel="icon" href="data:,">
<main><h1>Example</h1><div id="root"></div></main><script src="built.js" defer></script></html>
"""
SEE_A_BAR = """
window.barWasSeen = false;
new MutationObserver(() => { window.barWasSeen ||= document.querySelector("progress") !== null; })
  .observe(document, { subtree: true, childList: true });
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Copy the example, install its locked packages and return the bundled script."""
    npm = shutil.which("npm")
    if npm is None and os.environ.get("CI") != "true":
        pytest.skip("no npm on this machine: apt-get install nodejs npm")
    assert npm is not None, "CI needs npm: apt-get install nodejs npm"
    home = tmp_path_factory.mktemp("example")
    copy = shutil.copytree(
        EXAMPLE, home / "exports", ignore=shutil.ignore_patterns("node_modules", "built.js")
    )
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        result = subprocess.run(  # noqa: S603 - the commands from the documentation
            [npm, *command], cwd=copy, capture_output=True, text=True, timeout=BUILT_WITHIN_SECONDS
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return (copy / "built.js").read_text(encoding="utf-8")


def test_the_react_example_exports_a_whole_file(open_page: Open, api: httpx.Client, bundle: str) -> None:
    """The example is served from the API's origin with the API's security policy."""
    policy = api.get("/").headers["content-security-policy"]

    def serve(route: Route) -> None:
        body, kind = (bundle, "text/javascript") if route.request.url.endswith(".js") else (HTML, "text/html")
        headers = {"content-security-policy": policy, "content-type": f"{kind}; charset=utf-8"}
        route.fulfill(body=body, headers=headers)

    opened = open_page("/docs")
    page = opened.page
    page.route(re.compile("/example/"), serve)
    page.goto("/example/")
    export_and_download(page, api)
    assert opened.axe_violations() == []


def test_the_react_example_works_on_another_origin_with_a_key(
    open_page: Open, guarded_url: str, guarded_keys: Path, shop: tuple[str, Path], bundle: str
) -> None:
    key = KeyFile(guarded_keys).create(f"shop-{secrets.token_hex(4)}", None, datetime.now(UTC))
    origin, folder = shop
    settings = f"<script>reportExports = {json.dumps({'base': guarded_url, 'token': key})}</script>"
    (folder / "example.html").write_text(HTML.replace("<main>", f"{settings}<main>"), encoding="utf-8")
    (folder / "built.js").write_text(bundle, encoding="utf-8")
    page = open_page("/example.html", origin, guarded_url).page
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=guarded_url, headers=headers, timeout=30, trust_env=False) as api:
        export_and_download(page, api)
    assert page.url == f"{origin}/example.html"


def export_and_download(page: Page, api: httpx.Client) -> None:
    page.evaluate(SEE_A_BAR)
    page.get_by_role("button", name="Export CSV").click()
    button = page.get_by_role("button", name="Download 986 rows")
    expect(button).to_be_visible(timeout=60_000)
    assert page.evaluate("window.barWasSeen")
    with page.expect_download() as download:
        button.click()
    content = Path(download.value.path()).read_bytes()
    newest = api.get("/exports", params={"limit": 1}).json()["items"][0]
    assert newest["file"]["sha256"] == hashlib.sha256(content).hexdigest()
