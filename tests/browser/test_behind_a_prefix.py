"""Test the page, its downloads and the API docs under a path prefix behind nginx."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.extra_processes import ExtraProcesses, free_port
from tests.support.static_site import static_site
from tests.support.system_programs import require_program
from tests.support.watched_page import watched

PREFIX = "/exports-app"
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /exports-app/ {{
      proxy_pass {api_url}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Prefix /exports-app;
    }}
  }}
}}
"""


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


@pytest.fixture(scope="module")
def nginx_url(
    others: ExtraProcesses, site_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    nginx = require_program("nginx")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    api_url = others.start_api(
        REPORTS_PUBLIC_URL=url + PREFIX, REPORTS_FRAME_ANCESTORS=f"http://localhost:{site_port}"
    )
    folder = tmp_path_factory.mktemp("nginx")
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, api_url=api_url), encoding="utf-8")
    command = [nginx, "-p", str(folder), "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)  # noqa: S603 - a fixed command
    try:
        until = time.monotonic() + 20
        while not _answers(url + PREFIX + "/healthz"):
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < until, "nginx does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


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
