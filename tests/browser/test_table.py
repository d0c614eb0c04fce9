"""Test paging, column layout and exact values in the table."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import CATALOG, SAMPLE, Open
from tests.support.extra_processes import ExtraProcesses

PHONE = {"width": 390, "height": 844}
EXACT = "/?report=exact-values&pageSize=10"


@pytest.fixture(scope="module")
def slow_url(others: ExtraProcesses) -> str:
    return others.start_api(**CATALOG)


def headings(page: Page) -> list[str]:
    return [text.rstrip("↑↓").strip() for text in page.locator(".sheet thead th .clamp").all_inner_texts()]


def columns_dialog(page: Page) -> Locator:
    page.get_by_role("button", name="Columns…").click()
    return page.get_by_role("dialog", name="Table columns")


def test_hidden_and_reordered_columns_apply_to_the_export_and_are_remembered(open_page: Open) -> None:
    opened = open_page(SAMPLE)
    page = opened.page
    dialog = columns_dialog(page)
    assert opened.axe_violations() == []
    dialog.get_by_role("button", name="None").click()
    expect(dialog.get_by_text("Choose at least one column.")).to_be_visible()
    for label in ("Response", "Country"):
        dialog.get_by_role("checkbox", name=label, exact=True).check()
    dialog.get_by_role("button", name="Apply").click()
    expect(page.locator(".sheet thead th .clamp")).to_have_count(2)
    expect(page.locator("#export")).to_have_text("Export 986 rows · 2 columns")
    page.get_by_role("button", name="Country", exact=True).press("Alt+ArrowLeft")
    expect(page.locator(".sheet thead th .clamp").first).to_have_text("Country")
    with page.expect_download() as download:
        page.locator("#export").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert next(csv.reader(io.StringIO(text))) == ["Country", "Response"]
    expect(page.get_by_role("region", name="My exports").locator("li").first).to_contain_text("2 columns")
    page.goto(SAMPLE)
    expect(page.locator(".sheet thead th .clamp")).to_have_count(2)
    columns_dialog(page).get_by_role("button", name="All columns").click()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#export")).to_have_text("Export 986 rows")


def test_columns_are_moved_by_dragging_and_resized_by_pointer_and_keyboard(sample: Page) -> None:
    expect(sample.locator(".sheet thead th .clamp").nth(2)).to_have_text("Attended")
    headers = sample.locator(".sheet thead th")
    headers.nth(2).drag_to(headers.nth(0))
    expect(sample.locator(".sheet thead th .clamp").first).to_have_text("Attended")
    assert headings(sample)[:3] == ["Attended", "Response", "Submitted at"]
    resizer = sample.get_by_role("separator", name="Resize Name")
    before = sample.locator("tbody td[data-label=Name] .clamp").first
    resizer.press("ArrowRight")
    width = before.evaluate("(each) => each.offsetWidth")
    resizer.press("ArrowRight")
    assert before.evaluate("(each) => each.offsetWidth") == width + 16
    box = resizer.bounding_box()
    assert box is not None
    sample.mouse.move(box["x"] + 4, box["y"] + 8)
    sample.mouse.down()
    sample.mouse.move(box["x"] + 64, box["y"] + 8)
    sample.mouse.up()
    assert before.evaluate("(each) => each.offsetWidth") == pytest.approx(width + 76, abs=2)


def test_jump_to_a_page_and_keep_the_header_in_view(sample: Page) -> None:
    sample.get_by_label("Page", exact=True).fill("7")
    sample.get_by_role("separator", name="Resize Country").press("ArrowRight")  # re-renders the table
    sample.get_by_label("Page", exact=True).press("Enter")
    expect(sample).to_have_url(re.compile("page=7"))
    expect(sample.get_by_text(re.compile("151.175 of 986 rows"))).to_be_visible()
    sample.get_by_label("Page", exact=True).fill("9999")
    sample.get_by_label("Page", exact=True).press("Enter")
    expect(sample).to_have_url(re.compile("page=40"))
    sample.go_back()
    expect(sample.get_by_text(re.compile("151.175 of 986 rows"))).to_be_visible()
    scroller = sample.locator(".sheet .scroll")
    scroller.evaluate("(each) => each.scrollTo(0, 400)")
    top = scroller.bounding_box()
    header = sample.locator(".sheet thead th").first.bounding_box()
    assert top is not None
    assert header is not None
    assert header["y"] == pytest.approx(top["y"], abs=1)


def test_row_details_show_every_value_and_return_the_focus(open_page: Open) -> None:
    opened = open_page(SAMPLE)
    page = opened.page
    button = page.get_by_role("button", name="Show row 2", exact=True)
    button.focus()
    button.press("Enter")
    dialog = page.get_by_role("dialog", name="Row details")
    expect(dialog.locator("dt").first).to_have_text("Response")
    assert opened.axe_violations() == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_no_digit_is_lost_and_json_stays_json(open_page: Open, slow_url: str) -> None:
    opened = open_page(EXACT, slow_url)
    page = opened.page
    row = page.locator("tbody tr").first
    expect(row.locator("[data-label=Snowflake]")).to_have_text("352776136104522888")
    expect(row.locator("[data-label=Amount]")).to_have_text("12,345,678,901,234,567,890.50")
    expect(row.locator("[data-label=Details]")).to_have_text('{"n": 1, "tags": ["a", "b"]}')
    expect(row.locator("[data-label=Greeting]")).to_have_text("مرحبا بالعالم")
    expect(page.locator(".sheet thead th .clamp")).to_have_count(61)
    assert opened.axe_violations() == []


def test_60_columns_and_a_long_title_fit_a_phone(open_page: Open, slow_url: str) -> None:
    page = open_page(EXACT, slow_url, viewport=PHONE).page
    expect(page.locator("tbody td[data-label=Greeting]").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picker = page.get_by_label("Report", exact=True).bounding_box()
    assert picker is not None
    assert picker["width"] <= 360


def test_the_table_names_its_time_zone(open_page: Open) -> None:
    page = open_page(f"{SAMPLE}&timeZone=Europe/Madrid").page
    expect(page.get_by_text("Times in Europe/Madrid")).to_be_visible()


def test_share_copies_the_address_of_table_and_filters(sample: Page) -> None:
    sample.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sample.get_by_label("Attended", exact=True).select_option("Yes")
    sample.locator("table[aria-busy=false]").wait_for()
    columns_dialog(sample).get_by_role("checkbox", name="Score").uncheck()
    sample.get_by_role("button", name="Apply").click()
    sample.get_by_role("button", name="Share").click()
    expect(sample.locator(".toast")).to_contain_text("Copied to the clipboard")
    shared = sample.evaluate("navigator.clipboard.readText()")
    assert "isAttended=true" in shared
    assert "columns=id" in shared
    assert "export=" not in shared


def test_printing_shows_the_table_alone(sample: Page) -> None:
    sample.emulate_media(media="print")
    expect(sample.locator("aside")).to_be_hidden()
    expect(sample.locator("#export")).to_be_hidden()
    expect(sample.locator("tbody tr").first).to_be_visible()
