"""Test that the page asks for a required API key and sends it with every action."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api.access.api_keys import KeyFile
from tests.browser.conftest import SAMPLE, Open
from tests.support.extra_processes import ExtraProcesses


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys: Path) -> str:
    return KeyFile(keys).create("ada", None, datetime.now(UTC), True)


@pytest.fixture(scope="module")
def guarded_url(others: ExtraProcesses, keys: Path, key: str) -> str:
    return others.start_api(REPORTS_KEYS_FILE=str(keys))


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_export_download_and_sign_out(open_page: Open, guarded_url: str, key: str) -> None:
    opened = open_page("/docs", guarded_url)
    opened.failures_allowed = True  # all requests before the sign-in are rejected
    page = opened.page
    page.goto(SAMPLE)
    expect(page.get_by_label("API key")).to_be_visible()
    assert opened.axe_violations() == []
    sign_in(page, "not-a-key")
    expect(page.get_by_role("alert")).to_contain_text("This key is not valid.")
    assert opened.axe_violations() == []
    sign_in(page, key)
    button = page.get_by_role("button", name="Export 986 rows")
    with page.expect_download() as download:
        button.click()
    content = Path(download.value.path()).read_bytes()
    item = page.get_by_role("region", name="My exports").locator(":scope > ul > li").first
    with page.expect_download() as download:
        item.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == content
    item.get_by_text("Receipt", exact=True).click()
    with page.expect_download() as download:
        item.get_by_role("button", name="Download receipt").click()
    assert download.value.suggested_filename.endswith(".manifest.json")
    page.reload()
    expect(button).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("Object.keys(sessionStorage).filter((name) => name.includes('key')).length") == 0
    expect(page.get_by_text(re.compile("986"))).to_have_count(0)


def test_another_tab_has_to_sign_in_itself(open_page: Open, guarded_url: str, key: str) -> None:
    opened = open_page("/docs", guarded_url)
    opened.failures_allowed = True
    opened.page.goto(SAMPLE)
    sign_in(opened.page, key)
    opened.page.locator("tbody tr").first.wait_for()
    other = opened.page.context.new_page()
    other.goto(SAMPLE)
    expect(other.get_by_label("API key")).to_be_visible()
