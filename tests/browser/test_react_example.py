"""Build the example from docs/front-end.md as documented and test it against the API."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Open

ROOT = Path(__file__).parents[2]
USES = ("docs/react", "api/page/export-client.js")
BUILT_WITHIN_SECONDS = 240
HTML = """<!doctype html><html lang="en"><title>Example</title>
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
    shutil.copytree(ROOT / USES[0], home / USES[0], ignore=shutil.ignore_patterns("node_modules", "built.js"))
    (home / USES[1]).parent.mkdir(parents=True)
    shutil.copy(ROOT / USES[1], home / USES[1])
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        result = subprocess.run(  # noqa: S603 - the commands from the documentation
            [npm, *command], cwd=home / USES[0], capture_output=True, text=True, timeout=BUILT_WITHIN_SECONDS
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return (home / USES[0] / "built.js").read_text(encoding="utf-8")


def test_the_react_example_exports_a_whole_file(open_page: Open, api: httpx.Client, bundle: str) -> None:
    """Serve the example from the API's origin with its security policy. Other origins are not allowed."""
    policy = api.get("/").headers["content-security-policy"]

    def serve(route: Route) -> None:
        body, kind = (bundle, "text/javascript") if route.request.url.endswith(".js") else (HTML, "text/html")
        headers = {"content-security-policy": policy, "content-type": f"{kind}; charset=utf-8"}
        route.fulfill(body=body, headers=headers)

    opened = open_page("/docs")
    page = opened.page
    page.route(re.compile("/example/"), serve)
    page.goto("/example/")
    page.evaluate(SEE_A_BAR)
    page.get_by_role("button", name="Export CSV").click()
    link = page.get_by_role("link", name="986 rows: download")
    expect(link).to_be_visible(timeout=60_000)
    assert page.evaluate("window.barWasSeen")
    with page.expect_download() as download:
        link.click()
    content = Path(download.value.path()).read_bytes()
    newest = api.get("/exports", params={"limit": 1}).json()["items"][0]
    assert newest["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert opened.axe_violations() == []
