"""Test the page, its downloads and the API docs under a path prefix behind nginx."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support import nginx
from tests.support.extra_processes import ExtraProcesses, free_port
from tests.support.static_site import static_site
from tests.support.watched_page import watched

PREFIX = "/exports-app"


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site_port(site_folder: Path) -> Iterator[int]:
    """Serve another site.

    At `localhost`, this site may embed the page. At `127.0.0.1`, it may not.
    """
    with static_site(site_folder) as port:
        yield port


@dataclass
class Proxy:
    """nginx with the configurations from the documentation.

    At `url`, the API has the path prefixes of docs/front-end.md. At `tls_url`, it has none.
    """

    url: str
    tls_url: str
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def proxy(
    others: ExtraProcesses, site_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    port, tls_port, folder = free_port(), free_port(), tmp_path_factory.mktemp("nginx")
    url = f"http://127.0.0.1:{port}"
    api_url = others.start_api(
        REPORTS_PUBLIC_URL=url + PREFIX, REPORTS_FRAME_ANCESTORS=f"http://localhost:{site_port}"
    )
    certificate, context = nginx.create_certificate(folder)
    locations = [block for block in nginx.read_blocks("front-end.md") if block.startswith("location")][:2]
    server = nginx.with_certificate(nginx.read_blocks("deploy.md")[0], certificate, tls_port)
    content = f"server {{ listen 127.0.0.1:{port}; {''.join(locations)} }} {server}"
    with nginx.running(content.replace("http://127.0.0.1:8000", api_url), folder, port):
        yield Proxy(url, f"https://localhost:{tls_port}", context)


@pytest.fixture(scope="module")
def nginx_url(proxy: Proxy) -> str:
    return proxy.url


def test_the_page_exports_and_downloads_under_a_prefix(open_page: Open, nginx_url: str) -> None:
    opened = open_page(PREFIX + SAMPLE, nginx_url)
    page = opened.page
    with page.expect_download() as download:
        page.get_by_role("button", name="Export 986 rows").click()
    content = Path(download.value.path()).read_bytes()
    assert content.count(b"\n") >= 987
    item = page.get_by_role("region", name="My exports").locator(":scope > ul > li").first
    with page.expect_download() as download:
        item.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == content
    page.get_by_role("link", name="Report Exports").click()
    expect(page).to_have_url(re.compile(rf"{PREFIX}/"))
    page.locator("tbody tr").first.wait_for()
    assert opened.axe_violations() == []


@pytest.mark.parametrize(("host", "is_allowed"), [("localhost", True), ("127.0.0.1", False)])
def test_only_a_named_site_can_embed_the_page(
    chromium: Browser, nginx_url: str, site_folder: Path, site_port: int, host: str, is_allowed: bool
) -> None:
    site = f"{host}:{site_port}"
    frame = f'<link rel="icon" href="data:,"><iframe src="{nginx_url}{PREFIX}{SAMPLE}"></iframe>'
    (site_folder / "index.html").write_text(frame)
    with watched(chromium, nginx_url, {urlsplit(nginx_url).netloc, site}) as opened:
        opened.page.goto(f"http://{site}/")
        if is_allowed:
            opened.page.frame_locator("iframe").locator("tbody tr").first.wait_for()
        else:
            opened.page.wait_for_timeout(500)
            assert any("frame-ancestors" in complaint for complaint in opened.complaints), opened.complaints
            opened.complaints.clear()


def test_the_api_docs_work_under_a_prefix(open_page: Open, nginx_url: str) -> None:
    page = open_page(PREFIX + SAMPLE, nginx_url).page
    page.get_by_role("link", name="API docs").click()
    expect(page).to_have_url(re.compile(rf"{PREFIX}/docs"))
    expect(page.get_by_text("/reports/csv").first).to_be_visible()


def export_through(proxy: Proxy, base_url: str) -> dict[str, Any]:
    """Export a month of orders, check the size of the file, and return the last state of the export."""
    with httpx.Client(base_url=base_url, verify=proxy.context, timeout=60, trust_env=False) as client:
        body = {"report": "orders", "from": "2024-03-01", "to": "2024-03-31"}
        state = client.post("/exports", json=body).raise_for_status().json()
        while state["status"] not in ("done", "error"):
            poll = client.get(f"/exports/{state['id']}", headers={"Prefer": "wait=20"})
            state = poll.raise_for_status().json()
        download = client.get(f"/exports/{state['id']}/download", follow_redirects=True)
        assert len(download.raise_for_status().content) == state["file"]["bytes"]
    return state


def test_an_export_through_the_documented_server_is_whole(proxy: Proxy) -> None:
    assert export_through(proxy, proxy.tls_url)["status"] == "done"


def test_an_export_through_the_documented_path_is_whole(proxy: Proxy) -> None:
    assert export_through(proxy, f"{proxy.url}/exports-api")["status"] == "done"
