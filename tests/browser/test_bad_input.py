"""Test that errors are shown next to their fields and never leave the page empty."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.export_client import SURVEY

WEEK = "from=2024-7-19&to=2024-7-26"
BAD = [
    (f"/?surveyId={SURVEY}&from=2024-7-26&to=2024-7-19", "To", "End date is before start date"),
    (f"/?surveyId={SURVEY}&from=2024-7-26&to=2099-7-19", "To", "at most 366 days"),
    (f"/?surveyId={SURVEY}&from=2024-2-31&to=2024-7-19", "From", "2024-2-31 is not a day of the calendar."),
    (f"/?surveyId={SURVEY}&from=yesterday&to=2024-7-19", "From", "Must be a date such as 2024-07-19"),
    (f"/?surveyId=mine&{WEEK}", "Survey", "No survey found"),
    (f"/?surveyId=%3Cb%3E&{WEEK}", "Survey", "No survey found"),
    (f"/?surveyId={'0' * 24}&{WEEK}", "Survey", "Unknown id."),
    (f"{SAMPLE}&isAttended=perhaps", "Attended", "Must be true or false."),
    ("/?report=orders&from=2024-7-19&to=2024-7-26&status=lost", "Status", "Must be one of pending"),
    (
        "/?report=orders&from=2024-7-19&to=2024-7-26&items=many",
        "Items",
        "Must be a whole number.",
    ),
    (f"{SAMPLE}&from=2024-7-20", "From", "The parameter is given twice."),
    ("/?report=invoices", "Report", "No report named “invoices”. Choose another report."),
]
STRAY = [
    (f"{SAMPLE}&filters=%7B", "is not JSON"),
    (f"{SAMPLE}&filters=%7B%22colour%22%3A1%7D", "colour: Unknown filter"),
    (f"{SAMPLE}&sort=-colour", "sort: Cannot sort by 'colour'"),
    (f"{SAMPLE}&page=0", "page: Must be a whole number from 1"),
    (f"{SAMPLE}&page=many", "page: Must be a whole number from 1"),
    (f"{SAMPLE}&cursor=nonsense", "cursor: "),
    (f"{SAMPLE}&page=2&cursor=nonsense", "cursor: Send either `page` or `cursor`, not both."),
    (f"{SAMPLE}&pageSize=9999", "pageSize: Must be a whole number from 1 to 200."),
    (f"{SAMPLE}&timeZone=Mars/Olympus", "timeZone: Must be an IANA time zone"),
]


@pytest.mark.parametrize(("address", "label", "sentence"), BAD)
def test_errors_are_shown_next_to_their_fields(
    open_page: Open, address: str, label: str, sentence: str
) -> None:
    opened = open_page("/docs")
    opened.failures_allowed = True
    page = opened.page
    page.goto(address)
    field = page.get_by_label(label, exact=True)
    expect(page.locator(".field").filter(has=field).locator(".mistake")).to_contain_text(sentence)
    note = field.get_attribute("aria-describedby")
    expect(page.locator(f"#{note}")).to_contain_text(sentence)
    expect(page.locator("tbody tr")).to_have_count(0)


@pytest.mark.parametrize(("address", "sentence"), STRAY)
def test_an_error_without_a_field_can_be_removed(open_page: Open, address: str, sentence: str) -> None:
    opened = open_page("/docs")
    opened.failures_allowed = True
    page = opened.page
    page.goto(address)
    mistake = page.locator(".stray")
    expect(mistake).to_contain_text(sentence)
    mistake.get_by_role("button", name="Remove").click()
    expect(mistake).to_have_count(0)


def test_without_a_survey_the_page_asks_for_one(open_page: Open) -> None:
    page = open_page("/?report=survey-responses&from=2024-07-19&to=2024-07-26").page
    expect(page.get_by_text("Choose a survey to see survey responses.")).to_be_visible()
    expect(page.get_by_text("Search by name or ID")).to_be_visible()
    page.get_by_label("Survey", exact=True).fill(SURVEY)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Export 986 rows")).to_be_visible()


@pytest.mark.parametrize("unknown", ["utm_source=newsletter", "colour=blue", "columns=colour"])
def test_unknown_parts_of_the_address_are_ignored(open_page: Open, unknown: str) -> None:
    page = open_page(f"{SAMPLE}&{unknown}").page
    expect(page.locator("tbody tr")).to_have_count(25)
    expect(page.locator(".stray")).to_have_count(0)
    expect(page.get_by_role("button", name="Export 986 rows")).to_have_text("Export 986 rows")
    assert "utm_source" not in page.url
    assert "colour=" not in page.url


def test_an_empty_table_cannot_be_exported(open_page: Open) -> None:
    page = open_page(f"{SAMPLE}&utm=nowhere").page
    expect(page.get_by_text("No rows match. Try a wider date range or clear the filters.")).to_be_visible()
    button = page.locator("#export")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    expect(page.get_by_label("Running export")).to_have_count(0)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("button", name="Export 986 rows")).to_be_visible()


def test_a_page_that_does_not_exist_links_to_the_first(open_page: Open) -> None:
    page = open_page(f"{SAMPLE}&page=999").page
    expect(page.get_by_text("Page 999 doesn't exist.")).to_be_visible()
    page.get_by_role("button", name="Go to the first page").click()
    expect(page.locator("tbody tr")).to_have_count(25)


def test_another_callers_export_in_the_address_is_ignored(open_page: Open) -> None:
    opened = open_page("/docs")
    opened.failures_allowed = True
    opened.page.goto(f"{SAMPLE}&export=899e1228-d7b8-40fc-8490-70e6f1efb338")
    expect(opened.page.locator("tbody tr")).to_have_count(25)
    expect(opened.page).not_to_have_url(re.compile("export="))
    expect(opened.page.get_by_role("alert")).to_have_count(0)
