"""Test the page's accessibility in all themes and at several widths.

This module also tests the checks that the browser tests share.
"""

import csv
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.running_stack import Stack
from tests.support.watched_page import watched

FEW = f"{SAMPLE}&pageSize=5"  # axe takes longer if there are more cells


def test_axe_finds_no_violations(open_page: Open) -> None:
    opened = open_page("/")
    page = opened.page
    page.locator("tbody tr").first.wait_for()  # rows are shown even on the first visit
    assert opened.axe_violations() == []
    page.goto("/?report=survey-responses&from=2024-07-19&to=2024-07-26")
    expect(page.get_by_text("Choose a survey to see")).to_be_visible()
    page.get_by_label("Survey", exact=True).click()
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(4)
    assert opened.axe_violations() == []
    page.goto(f"{FEW}&utm=nowhere")
    expect(page.get_by_text("No rows match")).to_be_visible()
    assert opened.axe_violations() == []
    page.goto(FEW.replace("from=2024-7-19", "from=2024-7-29"))
    expect(page.get_by_text("End date is before start date")).to_be_visible()
    assert opened.axe_violations() == []
    page.goto(FEW)
    page.locator("tbody tr").first.wait_for()
    with page.expect_download():
        page.locator("#export").click()
    expect(page.locator(".toast")).to_be_visible()
    mine = page.get_by_role("region", name="My exports").locator("li").first
    mine.get_by_text("Receipt", exact=True).click()
    assert opened.axe_violations() == []
    mine.get_by_role("button", name="Delete").click()
    assert opened.axe_violations() == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Export options").click()
    lines = page.get_by_role("region", name="First lines of the file")
    assert len(list(csv.reader(lines.inner_text().splitlines(keepends=True)))) == 6
    assert opened.axe_violations() == []


def test_rows_are_cards_on_a_phone(open_page: Open) -> None:
    page = open_page(SAMPLE, viewport={"width": 390, "height": 844}).page
    cell = page.locator("tbody td[data-label='Submitted at']").first
    expect(cell).to_be_visible()
    assert cell.evaluate("(each) => getComputedStyle(each).display") == "grid"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_api_docs_load_under_their_own_policy(open_page: Open) -> None:
    page = open_page("/docs").page
    expect(page.get_by_text("/reports/csv").first).to_be_visible()


@pytest.mark.parametrize(
    ("does", "complaint"),
    [
        (
            "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
            "policy violated: script-src",
        ),
        (
            "new Image().src = 'https://elsewhere.invalid/x.png'",
            "policy violated: img-src https://elsewhere.invalid",
        ),
        ("console.error('oh')", "error: oh"),
        ("setTimeout(() => { throw new Error('uncaught one') })", "uncaught: uncaught one"),
        ("location.href = 'http://127.0.0.1:9/elsewhere'", "off-host: http://127.0.0.1:9/elsewhere"),
    ],
)
def test_the_watch_reports_violations(chromium: Browser, stack: Stack, does: str, complaint: str) -> None:
    def visit() -> None:
        with watched(chromium, stack.api_url, {stack.api_url.removeprefix("http://")}) as opened:
            opened.page.goto("/")
            opened.page.evaluate(does)
            opened.page.wait_for_timeout(300)

    with pytest.raises(AssertionError, match=re.escape(complaint)):
        visit()
