"""Test how the page shows exports in every state, and outages of the database, storage and API."""

import re
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from flows.runs.tags import EXPIRED_TAG
from tests.browser.conftest import SAMPLE, Open, export_id
from tests.browser.slow_reports import two_million
from tests.browser.slow_reports.exact_values import ROWS as EXACT_ROWS
from tests.browser.slow_reports.wide_orders import ROWS
from tests.support.blockable_proxy import BlockableProxy
from tests.support.export_client import ARTICLES_REQUEST, follow, start
from tests.support.extra_processes import ExtraProcesses
from tests.support.running_stack import Stack

SLOW = "/?report=wide-orders&pageSize=1"
EXACT = "/?report=exact-values&pageSize=1"
TALL = "/?report=two-million"
POLL = re.compile(r"/exports/[0-9a-f-]{36}$")
SOON, LATER = 15_000, 40_000  # generous timeouts in ms; the changes usually take about a second
LONGEST_TASK = 1_000  # ms that the page's main thread may be busy at once, on a busy machine
# In headless Chromium, every tab is visible. This script lets a test hide the page and read notifications.
CAN_BE_HIDDEN = """
window.isHidden = false;
window.hide = (isHidden) => {
  window.isHidden = isHidden;
  document.dispatchEvent(new Event("visibilitychange"));
};
Object.defineProperty(document, "hidden", { get: () => window.isHidden });
window.notifications = [];
window.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    window.notifications.push({ title: this.title, body: this.body, tag: this.tag });
  }
};
"""
CHECK_MARK = re.compile("^data:image/svg.*M9%2017l5%205%209-11")


@pytest.fixture(scope="module")
def storage_way(stack: Stack) -> Iterator[BlockableProxy]:
    way = BlockableProxy(stack.s3_endpoint_url)
    yield way
    way.close()


@pytest.fixture(scope="module")
def database_way(stack: Stack) -> Iterator[BlockableProxy]:
    """Yield a proxy between the API and the database. Workers connect to the database directly."""
    way = BlockableProxy(stack.database_url)
    yield way
    way.close()


class Api:
    """An API that can be stopped and restarted at the same address."""

    def __init__(self, others: ExtraProcesses, settings: dict[str, str]) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._others, self._settings = others, {**settings, "REPORTS_PUBLIC_URL": self.url}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ("--host", "127.0.0.1", "--port", str(self._port), "--timeout-graceful-shutdown", "1")
        self._process = self._others.start(
            "-m", "uvicorn", "--factory", "api.server:create_app", *options, **self._settings
        )
        self._others.wait_for_output(self._process, "Uvicorn running on")

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module")
def slow_api(others: ExtraProcesses, slow_settings: dict[str, str], database_way: BlockableProxy) -> Api:
    api = Api(others, {**slow_settings, "REPORTS_DATABASE_URL": database_way.url})
    api.start()
    return api


@pytest.fixture(scope="module")
def worker(
    others: ExtraProcesses, slow_settings: dict[str, str], storage_way: BlockableProxy
) -> subprocess.Popen[bytes]:
    """Start a worker that runs one export at a time.

    Tests that need queued exports must run before this worker starts.
    """
    settings = {**slow_settings, "AWS_ENDPOINT_URL": storage_way.url}
    process = others.start_warm_worker("browser", "--limit", "1", "--grace", "0", **settings)
    others.wait_for_output(process, "started!")
    return process


def begin(page: Page) -> None:
    """Click the export button and wait until the page shows the export."""
    page.get_by_role("button", name=f"Export {ROWS} rows").click()
    page.get_by_label("Running export").wait_for()


def until_running(page: Page) -> None:
    expect(page.get_by_label("Running export")).to_contain_text(
        re.compile(rf"Exporting [1-9]\d?% · \d+ of {ROWS} rows"), timeout=LATER
    )


@contextmanager
def polls_held(page: Page) -> Iterator[None]:
    """Hold back the page's polling requests, so that the page does not change during the block."""
    held: list[Route] = []
    is_held = True
    page.route(POLL, lambda route: held.append(route) if is_held else route.continue_())
    yield
    is_held = False
    for route in held:
        route.continue_()


def test_a_queued_export_shows_how_many_are_ahead(open_page: Open, slow_api: Api) -> None:
    with httpx.Client(base_url=slow_api.url, trust_env=False) as client:
        bodies = [{"report": "wide-orders", "name": name} for name in ("the first", "the second")]
        ahead = [client.post("/exports", json=body).raise_for_status().json()["id"] for body in bodies]
        opened = open_page(SLOW, slow_api.url)
        opened.failures_allowed = True  # /readyz responds with 503
        begin(opened.page)
        panel = opened.page.get_by_label("Running export")
        expect(panel).to_contain_text("In the queue · 2 ahead")
        expect(panel).to_contain_text("No worker is running.", timeout=SOON)
        assert panel.get_by_role("progressbar").get_attribute("value") is None
        assert opened.axe_violations() == []
        panel.get_by_role("button", name="Cancel export").click()
        expect(opened.page.locator(".toast")).to_have_text(re.compile("The export was cancelled."))
        expect(opened.page.locator("#export")).to_be_focused()
        for job_id in ahead:
            client.post(f"/exports/{job_id}/cancel").raise_for_status()


def test_a_database_outage_shows_the_reason_and_a_retry(
    open_page: Open, slow_api: Api, database_way: BlockableProxy
) -> None:
    opened = open_page("/docs", slow_api.url)
    opened.failures_allowed = True
    page = opened.page
    with database_way.blocked("closed"):
        page.goto(SAMPLE)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Couldn't load this report.")
        expect(page.locator("#export")).to_have_attribute("aria-disabled", "true")
        assert opened.axe_violations() == []
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Export 986 rows")).to_be_visible()
    expect(alert).to_have_count(0)


def test_an_export_that_fails_to_start_can_be_retried(
    open_page: Open, slow_api: Api, database_way: BlockableProxy
) -> None:
    opened = open_page(SLOW, slow_api.url)
    opened.failures_allowed = True
    page = opened.page
    button = page.get_by_role("button", name=f"Export {ROWS} rows")
    button.wait_for()
    with database_way.blocked("closed"):
        button.click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Couldn't start the export")
        expect(alert).to_contain_text("database")
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_have_count(0)


def test_an_expired_export_can_be_run_again(
    open_page: Open, slow_api: Api, api: httpx.Client, prefect: httpx.Client
) -> None:
    session = start(api, ARTICLES_REQUEST | {"name": "long ago"})
    follow(api, session)
    tags = prefect.get(f"/flow_runs/{session.id}").raise_for_status().json()["tags"]
    # Set the tag by hand, because a real sweep would expire every file on the stack.
    prefect.patch(f"/flow_runs/{session.id}", json={"tags": [*tags, EXPIRED_TAG]}).raise_for_status()
    opened = open_page(f"{SAMPLE}&pageSize=5&export={session.id}", slow_api.url)
    page = opened.page
    item = page.get_by_role("region", name="My exports").locator("li", has_text="long ago")
    expect(item.locator(".badge")).to_have_text("Expired")
    expect(item.get_by_role("button", name="Run again long ago")).to_be_visible()
    expect(item.get_by_role("link", name="Download long ago")).to_have_count(0)
    assert opened.axe_violations() == []


def test_a_running_export_survives_a_reload_and_can_be_cancelled(
    open_page: Open, slow_api: Api, worker: subprocess.Popen[bytes]
) -> None:
    opened = open_page(SLOW, slow_api.url)
    page = opened.page
    begin(page)
    until_running(page)
    expect(page).to_have_title(re.compile(r"\d+% · Wide orders"))
    assert page.locator("link[rel=icon]").get_attribute("href").startswith("data:image/svg+xml")  # type: ignore[union-attr]
    page.locator("#export").click()  # the same request returns the running export
    expect(page.get_by_label("Running export")).to_be_focused()
    page.reload()
    until_running(page)
    page.get_by_role("button", name="Cancel export").click()
    expect(page.locator(".toast")).to_contain_text("The export was cancelled.", timeout=LATER)
    expect(page.get_by_role("region", name="My exports").locator("li").first).to_contain_text("Cancelled")


def test_slow_and_stalled_exports_are_reported(
    open_page: Open, slow_api: Api, worker: subprocess.Popen[bytes]
) -> None:
    opened = open_page("/docs", slow_api.url)
    page = opened.page
    page.clock.install()
    page.goto(SLOW)
    begin(page)
    until_running(page)
    slow = page.get_by_text("This is taking a while. You can leave this page")
    expect(slow).to_have_count(0)
    page.clock.fast_forward(91_000)
    expect(slow).to_be_visible(timeout=SOON)
    with polls_held(page):
        page.clock.fast_forward(31_000)
        expect(page.get_by_text("No progress since")).to_be_visible()
        assert opened.axe_violations() == []
    httpx.post(f"{slow_api.url}/exports/{export_id(page)}/cancel", trust_env=False)
    expect(page.locator(".toast")).to_be_visible(timeout=LATER)


def test_a_hidden_tab_survives_an_api_restart_and_announces_the_end(
    open_page: Open, slow_api: Api, worker: subprocess.Popen[bytes]
) -> None:
    opened = open_page("/docs", slow_api.url, permissions=["notifications"])
    opened.failures_allowed = True
    page = opened.page
    page.add_init_script(CAN_BE_HIDDEN)
    page.goto(SLOW)
    begin(page)
    until_running(page)
    job_id = export_id(page)
    page.get_by_label("Notify me when it's done").check()
    page.evaluate("window.hide(true)")
    slow_api.stop()
    panel = page.get_by_label("Running export")
    try:
        expect(panel).to_contain_text("Reconnecting…", timeout=SOON)
        expect(panel.get_by_role("progressbar")).to_be_visible()
        assert page.get_by_role("alert").count() == 0
        assert opened.axe_violations() == []
    finally:
        with page.expect_download(timeout=3 * LATER) as download:
            slow_api.start()
    assert Path(download.value.path()).read_bytes().count(b"\n") == ROWS + 1
    icon = page.locator("link[rel=icon]")
    expect(page).to_have_title("✓ Ready · Wide orders · Report Exports")
    expect(icon).to_have_attribute("href", CHECK_MARK)
    (notification,) = page.evaluate("window.notifications")
    assert (notification["title"], notification["tag"]) == ("Report Exports", job_id)
    assert f"is ready: {ROWS} of {ROWS} rows" in notification["body"]
    page.evaluate("window.hide(false)")
    expect(page).to_have_title("Wide orders · Report Exports")
    expect(icon).to_have_attribute("href", re.compile(r"/page/icon\.svg$"))


def test_a_storage_outage_shows_reason_id_and_retry(
    open_page: Open, slow_api: Api, worker: subprocess.Popen[bytes], storage_way: BlockableProxy
) -> None:
    opened = open_page(EXACT, slow_api.url)
    page = opened.page
    with storage_way.blocked("closed"):
        page.get_by_role("button", name=f"Export {EXACT_ROWS} rows").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The file storage didn't respond.", timeout=2 * LATER)
        expect(alert).to_contain_text(export_id(page))
        assert opened.axe_violations() == []
        expect(alert.get_by_role("button", name="Copy ID")).to_be_visible()
        expect(alert.get_by_role("button", name="Try again")).to_have_class("primary")
    with page.expect_download(timeout=2 * LATER) as download:
        alert.get_by_role("button", name="Try again").click()
    assert Path(download.value.path()).read_bytes().count(b"\n") == EXACT_ROWS + 1


def watch_long_tasks(page: Page) -> None:
    """Record how long the main thread is busy at most, including the time since the page was opened."""
    page.evaluate(
        "window.longest = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) =>"
        " { window.longest = Math.max(window.longest, entry.duration); }"
        ")).observe({ type: 'longtask', buffered: true })"
    )


def test_two_million_rows_can_be_paged_filtered_and_exported(
    open_page: Open, slow_api: Api, worker: subprocess.Popen[bytes]
) -> None:
    opened = open_page(TALL, slow_api.url)
    page = opened.page
    watch_long_tasks(page)
    expect(page.get_by_text(re.compile("^1.25 of 2,000,000 rows"))).to_be_visible(timeout=SOON)
    page.get_by_label("Page", exact=True).fill("80000")
    page.get_by_label("Page", exact=True).press("Enter")
    expect(page.get_by_text(re.compile("1,999,976.2,000,000 of 2,000,000 rows"))).to_be_visible(timeout=SOON)
    expect(page.locator("tbody td[data-label=Number]").last).to_have_text("2000000")
    page.get_by_label("Number", exact=True).fill("1999999")
    page.get_by_label("Number", exact=True).press("Enter")
    expect(page.get_by_text(re.compile("^1.1 of 1 row"))).to_be_visible(timeout=SOON)
    page.goto(TALL)
    watch_long_tasks(page)
    with page.expect_download(timeout=LATER) as download:
        page.get_by_role("button", name="Export 2,000,000 rows").click()
    with zipfile.ZipFile(download.value.path()) as parts:  # a sheet of Excel holds a million rows
        lines = [parts.read(name).count(b"\n") for name in parts.namelist()]
    assert sum(lines) == two_million.ROWS + len(lines)
    expect(page.locator(".toast")).to_contain_text("is ready: 2,000,000 of 2,000,000 rows")
    assert page.evaluate("window.longest") <= LONGEST_TASK
    assert opened.axe_violations() == []


def test_a_dead_download_link_does_not_replace_the_page(open_page: Open, api: httpx.Client) -> None:
    body = {"report": "orders", "from": "2024-01-01", "to": "2024-01-01", "name": "soon gone"}
    job_id = api.post("/exports", json=body).raise_for_status().json()["id"]
    until = time.monotonic() + 60
    while api.get(f"/exports/{job_id}").json()["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.1)
    page = open_page("/").page
    item = page.get_by_role("region", name="My exports").locator("li", has_text="soon gone")
    expect(item.get_by_role("link", name="Download soon gone")).to_be_visible()
    api.delete(f"/exports/{job_id}").raise_for_status()
    item.get_by_role("link", name="Download soon gone").click()
    expect(page).to_have_title(re.compile("Report Exports"))  # the error response did not replace the page
    page.reload()
    expect(page.get_by_role("heading", name="My exports")).to_be_visible()
    expect(page.get_by_text("soon gone")).to_have_count(0)
