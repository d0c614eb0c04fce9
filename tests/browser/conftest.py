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
CATALOG = {"REPORTS_CATALOG": "flows.samples,tests.browser.slow_reports"}
Open = Callable[..., Watched]


def export_id(page: Page) -> str:
    """Return the ID of the export that the page follows."""
    match = re.search(r"export=([0-9a-f-]{36})", page.url)
    assert match, page.url
    return match[1]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start Chromium for all browser tests.

    It is closed before other tests run, because Playwright keeps an event loop running in the same thread.
    """
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
    """Return a function that opens pages. The test fails if any of these pages reports an error."""
    with ExitStack() as pages:

        def open_at(
            address: str, base_url: str = stack.api_url, api_url: str = stack.api_url, **options: Any
        ) -> Watched:
            hosts = {urlsplit(url).netloc for url in (base_url, api_url, stack.s3_endpoint_url)}
            opened = pages.enter_context(watched(chromium, base_url, hosts, **options))
            opened.page.goto(address)
            return opened

        yield open_at


@pytest.fixture
def sample(open_page: Open) -> Page:
    """Open the sample page at the address that `make up` prints, and wait until the table has rows."""
    page = open_page(SAMPLE).page
    page.locator("tbody tr").first.wait_for()
    return page


@pytest.fixture(scope="module")
def others(stack: Stack) -> Iterator[ExtraProcesses]:
    with extra_processes(stack) as processes:
        yield processes


@pytest.fixture(scope="module")
def slow_settings(prefect: httpx.Client) -> dict[str, str]:
    """Create a work pool and return settings for an API and its workers.

    The settings add slow reports and disable retries.
    """
    create_pool(prefect, "browser", "warm")
    deploy_export(prefect, "browser", "browser")
    patient = {"REPORTS_OUTAGE_SECONDS": "10"}  # a busy machine must not look like an outage
    return {**pool_settings("browser", "browser"), **CATALOG, **patient, "REPORTS_ATTEMPTS": "1"}
