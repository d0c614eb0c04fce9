"""Test that surveys can be selected by title or by ID."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.export_client import EMPTY_SURVEY, SURVEY

WEEK = "/?report=survey-responses&from=2024-7-19&to=2024-7-26"
TITLE = "Open day: how was your visit?"


def matches(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Survey matches")


def test_find_a_survey_by_part_of_its_title_with_the_keyboard(open_page: Open) -> None:
    page = open_page(WEEK).page
    field = page.get_by_label("Survey", exact=True)
    field.press_sequentially("VISIT")
    expect(matches(page).get_by_role("option")).to_have_text([re.compile(TITLE.replace("?", r"\?"))])
    field.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "field-surveyId-list-0")
    field.press("Enter")
    expect(page).to_have_url(re.compile(f"surveyId={SURVEY}"))
    expect(field).to_have_value(TITLE)
    expect(page.get_by_role("button", name="Export 986 rows")).to_be_visible()


def test_the_survey_in_the_address_is_shown_by_title_and_can_be_changed(open_page: Open) -> None:
    page = open_page(SAMPLE).page
    field = page.get_by_label("Survey", exact=True)
    expect(field).to_have_value(TITLE)
    field.click()
    expect(matches(page).get_by_role("option", selected=True)).to_contain_text(TITLE)
    matches(page).get_by_role("option").filter(has_text="Winter programme").click()
    expect(page).to_have_url(re.compile(f"surveyId={EMPTY_SURVEY}"))
    expect(page.get_by_text("No rows match.")).to_be_visible()
    expect(matches(page).get_by_role("option")).to_have_count(0)


def test_a_full_title_selects_its_survey_and_an_unknown_title_is_an_error(open_page: Open) -> None:
    page = open_page(WEEK).page
    field = page.get_by_label("Survey", exact=True)
    field.fill("open day: HOW was your visit?")
    field.press("Tab")
    expect(page).to_have_url(re.compile(f"surveyId={SURVEY}"))
    field.fill("Summer fair")
    expect(page.get_by_text("No matches")).to_be_visible()
    field.press("Tab")
    expect(page.locator("#field-surveyId-note")).to_have_text("No survey found")
    expect(field).to_have_value("Summer fair")
