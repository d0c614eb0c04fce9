"""Test that the list of exports can be refreshed, searched, filtered and paged."""

import io
import re
import time
from collections.abc import Iterator

import httpx
import openpyxl
import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import SAMPLE, Open

CANCELLED = 110  # more than one page of the API
ONE_DAY = {"report": "orders", "from": "2024-01-01", "to": "2024-01-01"}
POLL = re.compile(r"/exports/[0-9a-f-]{36}$")
HIDE = "Object.defineProperty(document, 'hidden', {get: () => window.isAway, configurable: true})"
LEAVE = "window.isAway = true; document.dispatchEvent(new Event('visibilitychange'))"
RETURN = "window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def many(api: httpx.Client) -> Iterator[list[str]]:
    """Start twelve named exports and return their ids, oldest first."""
    names = [f"batch {number:02}" for number in range(12)]
    ids = [
        str(api.post("/exports", json={**ONE_DAY, "name": name}).raise_for_status().json()["id"])
        for name in names
    ]
    yield ids
    for job_id in ids:
        api.delete(f"/exports/{job_id}")


def items(page: Page) -> list[str]:
    return page.locator("section[aria-labelledby=mine] > ul > li strong").all_inner_texts()


@pytest.fixture(scope="module")
def cancelled(prefect: httpx.Client, api: httpx.Client) -> Iterator[str]:
    """Create cancelled exports in Prefect and yield the id of the oldest one.

    They must be older than the exports from `many`.
    """
    example = api.post("/exports", json={**ONE_DAY, "name": "example"}).raise_for_status().json()["id"]
    run = prefect.get(f"/flow_runs/{example}").raise_for_status().json()
    body = {
        "flow_id": run["flow_id"],
        "deployment_id": run["deployment_id"],
        "tags": ["owner:local", "report:orders"],
        "state": {"type": "CANCELLED"},
    }
    ids: list[str] = []
    for number in range(CANCELLED):
        parameters = {"request": {**ONE_DAY, "name": f"قديم {number:03}"}}
        created = prefect.post("/flow_runs/", json={**body, "parameters": parameters}).raise_for_status()
        ids.append(str(created.json()["id"]))
    yield ids[0]
    for run_id in [*ids, example]:
        prefect.delete(f"/flow_runs/{run_id}")


def test_search_finds_an_arabic_name_beyond_the_first_hundred(
    cancelled: str, many: list[str], open_page: Open
) -> None:
    opened = open_page(SAMPLE)
    page = opened.page
    section = page.get_by_role("region", name="My exports")
    section.get_by_label("Search by name").fill("قديم 000")
    items = section.locator(":scope > ul > li")
    expect(items).to_have_count(1)
    expect(items).to_have_id(f"export-{cancelled}")
    section.get_by_label("Search by name").fill("قديم")
    section.get_by_label("Filter by status").select_option("Cancelled")
    expect(items).to_have_count(5)
    section.get_by_role("button", name="Older").click()
    expect(items.first.locator("strong")).to_have_text(f"قديم {CANCELLED - 6:03}")
    assert opened.axe_violations() == []


def test_search_by_name_reaches_exports_on_later_pages(open_page: Open, many: list[str]) -> None:
    opened = open_page(SAMPLE)
    page = opened.page
    expect(page.get_by_role("heading", name="My exports")).to_be_visible()
    page.get_by_label("Search by name").fill("batch 01")
    names = page.locator("section[aria-labelledby=mine] > ul > li strong")
    expect(names).to_have_text(["batch 01"], timeout=20_000)
    assert opened.axe_violations() == []
    page.get_by_label("Search by name").fill("nothing like that")
    expect(page.get_by_role("region", name="My exports").get_by_text("No matches")).to_be_visible()


def test_the_list_is_paged_and_filtered_by_status(
    open_page: Open, many: list[str], api: httpx.Client
) -> None:
    page = open_page(SAMPLE).page
    section = page.get_by_role("region", name="My exports")
    expect(section.locator(":scope > ul > li")).to_have_count(5)
    first = items(page)
    section.get_by_role("button", name="Older").click()
    expect(section.locator(":scope > ul > li strong").first).not_to_have_text(first[0])
    assert not set(first) & set(items(page))
    section.get_by_role("button", name="Newer").click()
    expect(section.locator(":scope > ul > li strong").first).to_have_text(first[0])
    section.get_by_label("Filter by status").select_option("Failed")
    expect(section.locator(":scope > ul > li .badge:not(.error)")).to_have_count(0)


def test_the_list_refreshes_when_a_hidden_tab_is_shown_again(open_page: Open, api: httpx.Client) -> None:
    opened = open_page("/docs")
    page = opened.page
    page.add_init_script(f"window.isAway = false; {HIDE}")
    page.clock.install()
    page.goto(SAMPLE)
    page.locator("tbody tr").first.wait_for()
    page.evaluate(LEAVE)
    page.clock.fast_forward(120_000)
    job_id = api.post("/exports", json={**ONE_DAY, "name": "while hidden"}).raise_for_status().json()["id"]
    page.clock.fast_forward(120_000)
    expect(page.get_by_text("while hidden")).to_have_count(0)
    page.evaluate(RETURN)
    expect(page.locator(f"#export-{job_id}")).to_contain_text("while hidden")
    api.delete(f"/exports/{job_id}")
    page.clock.fast_forward(31_000)  # the periodic refresh has resumed
    expect(page.locator(f"#export-{job_id}")).to_have_count(0)


def test_only_the_followed_export_is_polled(sample: Page) -> None:
    urls: list[str] = []

    def note(request: Request) -> None:
        if re.search(r"/exports(\?|/[0-9a-f-]{36}$)", request.url):
            urls.append(request.url)

    sample.on("request", note)
    with sample.expect_download():
        sample.locator("#export").click()
    expect(sample.locator(".mine .badge.done").first).to_be_visible()
    lists = [url for url in urls if "/exports?" in url]
    assert len(lists) <= 3, urls


def test_another_export_can_start_while_one_runs(sample: Page) -> None:
    """The page follows only one of the two exports at a time, but it downloads both files."""
    button = sample.locator("#export")
    files: list[str] = []
    sample.on("download", lambda download: files.append(download.suggested_filename))
    button.click()
    sample.get_by_label("Attended", exact=True).select_option("Yes")
    sample.locator("table[aria-busy=false]").wait_for()
    expect(button).to_have_attribute("aria-disabled", "false")
    button.click()
    until = time.monotonic() + 60
    while len(files) < 2:
        assert time.monotonic() < until, files
        sample.wait_for_timeout(200)


def test_on_a_phone_my_exports_is_a_tab_of_its_own(open_page: Open, many: list[str]) -> None:
    opened = open_page(SAMPLE, viewport=PHONE)
    page = opened.page
    page.locator("tbody tr").first.wait_for()
    expect(page.get_by_role("region", name="My exports")).to_be_hidden()
    filters = page.get_by_role("button", name="Filters")
    expect(filters).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_label("Attended", exact=True)).to_be_hidden()
    filters.click()
    expect(page.get_by_label("Attended", exact=True)).to_be_visible()
    page.get_by_role("button", name="My exports").click()
    section = page.get_by_role("region", name="My exports")
    expect(section).to_be_visible()
    top = section.bounding_box()
    assert top is not None
    assert top["y"] < 400
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.axe_violations() == []


def test_a_very_long_name_does_not_break_the_layout(open_page: Open, api: httpx.Client) -> None:
    name = "Quarterly" + "AndYearly" * 20
    job_id = api.post("/exports", json={**ONE_DAY, "name": name}).raise_for_status().json()["id"]
    page = open_page(SAMPLE).page
    item = page.locator(f"#export-{job_id}")
    item.wait_for()
    section = page.get_by_role("region", name="My exports").bounding_box()
    badge = item.locator(".badge").bounding_box()
    assert section is not None
    assert badge is not None
    assert badge["x"] + badge["width"] <= section["x"] + section["width"]
    api.delete(f"/exports/{job_id}")


def test_an_export_gets_the_name_from_the_dialog(sample: Page, api: httpx.Client) -> None:
    sample.get_by_role("button", name="Export options").click()
    dialog = sample.get_by_role("dialog", name="Export options")
    dialog.get_by_label("Export name").fill("Board meeting")
    with sample.expect_download():
        dialog.get_by_role("button", name="Export", exact=True).click()
    item = sample.get_by_role("region", name="My exports").locator(":scope > ul > li").first
    expect(item.locator("strong")).to_have_text("Board meeting")


def test_options_that_differ_are_on_the_button_and_reset_restores_them(open_page: Open) -> None:
    page = open_page(SAMPLE).page
    page.locator("tbody tr").first.wait_for()
    page.get_by_role("button", name="Export options").click()
    dialog = page.get_by_role("dialog", name="Export options")
    dialog.get_by_label("Format").select_option("Plain CSV")
    dialog.get_by_text("More options").click()
    dialog.get_by_label("Decimal mark").select_option("Decimal comma")
    expect(dialog.get_by_label("Separator")).to_have_value(";")
    dialog.get_by_label("Compression").select_option("gzip")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename.endswith(".csv.gz")
    different = "Plain CSV · Semicolon · Decimal comma · gzip"
    expect(page.locator("#export")).to_have_text(f"Export 986 rows · {different}")
    item = page.get_by_role("region", name="My exports").locator(":scope > ul > li").first
    expect(item).to_contain_text(different)
    page.reload()
    expect(page.locator("#export")).to_have_text(f"Export 986 rows · {different}")
    page.get_by_role("button", name="Export options").click()
    dialog.get_by_role("button", name="Reset").click()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename.endswith(".csv")
    expect(page.locator("#export")).to_have_text("Export 986 rows")


def test_answers_have_a_column_per_choice_and_a_codebook(open_page: Open) -> None:
    page = open_page(SAMPLE).page
    page.locator("tbody tr").first.wait_for()
    page.get_by_role("button", name="Export options").click()
    dialog = page.get_by_role("dialog", name="Export options")
    dialog.get_by_label("Format").select_option("Excel workbook (XLSX)")
    dialog.get_by_label("Answers with several choices").select_option("One column per choice")
    dialog.get_by_label("Choices", exact=True).select_option("Codes")
    dialog.get_by_label("Add a codebook").check()
    expect(dialog.get_by_role("region", name="First rows")).to_contain_text("Food & drink")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export", exact=True).click()
    book = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes()))
    rows, codebook, _ = book.worksheets
    header = [cell.value for cell in rows[1]]
    column = next(number for number, label in enumerate(header) if label.endswith("Food & drink"))
    assert {row[column] for row in rows.iter_rows(min_row=2, values_only=True)} == {0, 1, None}
    assert ("answers.topics/food", "food", "Food & drink") in {
        (key, code, label) for key, _, _, code, label, _ in codebook.iter_rows(values_only=True)
    }
    different = "Excel workbook (XLSX) · One column per choice · Choices: Codes · Codebook"
    expect(page.locator("#export")).to_have_text(f"Export 986 rows · {different}")
