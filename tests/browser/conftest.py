import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.export_client import SURVEY
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack
from tests.support.watched_page import Watched, watched

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SAMPLE = f"/?surveyId={SURVEY}&from=2024-7-19&to=2024-7-26"
CATALOG = {"REPORTS_CATALOG": "tests.browser.slow_reports"}
Open = Callable[..., Watched]


def export_id(page: Page) -> str:
    """ID of the export the page follows."""
    found = re.search(r"export=([0-9a-f-]{36})", page.url)
    assert found, page.url
    return found[1]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Closed after the browser tests, because Playwright keeps an event loop running in their thread."""
    path = shutil.which("chromium")
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no chromium on this machine: apt-get install chromium")
    assert path is not None, "CI needs chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, stack: Stack) -> Iterator[Open]:
    """Open watched pages; any complaint fails the test at its end."""
    with ExitStack() as pages:

        def open_at(address: str, base_url: str = stack.api_url, **options: Any) -> Watched:
            hosts = {urlsplit(url).netloc for url in (base_url, stack.s3_endpoint_url)}
            found = pages.enter_context(watched(chromium, base_url, hosts, **options))
            found.page.goto(address)
            return found

        yield open_at


@pytest.fixture
def sample(open_page: Open) -> Page:
    """The page at the address that `make up` prints, with its table loaded."""
    page = open_page(SAMPLE).page
    page.locator("tbody tr").first.wait_for()
    return page


@pytest.fixture(scope="module")
def others(stack: Stack) -> Iterator[ExtraProcesses]:
    with extra_processes(stack) as processes:
        yield processes


@pytest.fixture(scope="module")
def slow_settings(prefect: httpx.Client) -> dict[str, str]:
    """Settings of an API and workers with the slow reports, in their own pool and without retries."""
    create_pool(prefect, "browser", "warm")
    deploy_export(prefect, "browser", "browser")
    patient = {"REPORTS_OUTAGE_SECONDS": "10"}  # a busy machine is not an outage
    return {**pool_settings("browser", "browser"), **CATALOG, **patient, "REPORTS_ATTEMPTS": "1"}
