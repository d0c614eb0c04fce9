"""Test every step that a user takes from the table to the downloaded file."""

import csv
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.export_client import SURVEY

IN_THE_WEEK = """
SELECT count(*) FROM survey_responses
WHERE survey_id = %s AND submitted_at >= '2024-07-19Z' AND submitted_at < '2024-07-27Z'
"""
# This limit is high, because the list of exports adds several tab stops for each export.
MOST_STOPS = 400


def downloaded(page: Page, act: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as download:
        act()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def newest(api: httpx.Client) -> dict[str, Any]:
    return dict(api.get("/exports", params={"limit": 1}).raise_for_status().json()["items"][0])


def test_one_click_downloads_the_complete_file(
    sample: Page, api: httpx.Client, database: psycopg.Connection
) -> None:
    row = database.execute(IN_THE_WEEK, [SURVEY]).fetchone()
    assert row is not None
    button = sample.get_by_role("button", name=f"Export {row[0]} rows")
    name, content = downloaded(sample, button.click)
    assert name == f"survey-responses_{SURVEY}_2024-07-19_2024-07-26.csv"
    heading, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert heading[:3] == ["Response", "Submitted at (UTC)", "Attended"]
    assert len(rows) == row[0]
    receipt = newest(api)["file"]
    assert receipt["sha256"] == hashlib.sha256(content).hexdigest()
    expect(sample.locator(".toast")).to_contain_text(f"{name} is ready: {row[0]} of {row[0]} rows · ")
    expect(button).to_be_visible()


def test_the_file_has_the_rows_and_order_of_the_table(sample: Page) -> None:
    sample.get_by_label("Attended", exact=True).select_option("Yes")
    sample.get_by_label("UTM source", exact=True).fill("wa, fb")
    sample.keyboard.press("Enter")
    sample.get_by_role("button", name="Response", exact=True).click()
    expect(sample).to_have_url(re.compile(r"isAttended=true.*utm=wa&utm=fb.*sort=id"))
    expect(sample.get_by_role("columnheader", name="Response")).to_have_attribute("aria-sort", "ascending")
    expect(sample.locator("table[aria-busy=false]")).to_be_visible()
    sample.get_by_role("button", name="Response", exact=True).click()
    expect(sample.get_by_role("columnheader", name="Response")).to_have_attribute("aria-sort", "descending")
    expect(sample.locator("table[aria-busy=false]")).to_be_visible()
    ids = [text.replace(",", "") for text in sample.locator("tbody td:first-child").all_inner_texts()]
    _, content = downloaded(sample, sample.locator("#export").click)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["Response"] for row in rows[: len(ids)]] == ids
    assert {(row["Attended"], row["UTM source"]) for row in rows} == {("true", "wa"), ("true", "fb")}


def test_filter_by_an_empty_value(sample: Page, database: psycopg.Connection) -> None:
    row = database.execute(IN_THE_WEEK + " AND utm IS NULL", [SURVEY]).fetchone()
    assert row is not None
    sample.get_by_label("UTM source", exact=True).fill("(empty)")
    sample.keyboard.press("Enter")
    sample.get_by_role("button", name=f"Export {row[0]} rows").wait_for()
    sample.reload()
    sample.get_by_role("button", name=f"Export {row[0]} rows").wait_for()
    assert sample.get_by_label("UTM source", exact=True).input_value() == "(empty)"


def test_the_dialog_sets_columns_order_time_zone_and_header(sample: Page) -> None:
    sample.get_by_role("button", name="Export options").click()
    dialog = sample.get_by_role("dialog", name="Export options")
    expect(dialog.get_by_text("986 rows · about")).to_be_visible()
    dialog.get_by_role("button", name="None").click()
    expect(dialog.get_by_text("Choose at least one column.")).to_be_visible()
    for label in ("Response", "Country"):
        dialog.get_by_role("checkbox", name=label, exact=True).check()
    for _ in range(6):
        dialog.get_by_role("button", name="Move Country up").click()
    dialog.get_by_label("Time zone").fill("Europe/Madrid")
    dialog.get_by_text("More options").click()
    dialog.get_by_label("Header row").select_option("Field keys")
    lines = dialog.get_by_role("region", name="First lines of the file")
    expect(lines).to_contain_text("country,id\n")
    preview = lines.inner_text()
    _, content = downloaded(sample, dialog.get_by_role("button", name="Export", exact=True).click)
    assert content.decode("utf-8-sig").startswith("country,id\r\n")
    assert content.decode("utf-8-sig").splitlines()[:6] == preview.splitlines()
    expect(dialog).to_be_hidden()
    expect(sample).to_have_url(re.compile("timeZone=Europe%2FMadrid"))


def test_page_and_page_size_are_in_the_address(sample: Page) -> None:
    first = sample.locator("tbody td:first-child").first.inner_text()
    sample.get_by_role("button", name="Next").click()
    expect(sample).to_have_url(re.compile("page=2"))
    expect(sample.get_by_text(re.compile("26.50 of 986 rows"))).to_be_visible()
    sample.get_by_label("Rows per page").select_option("100")
    expect(sample.get_by_text(re.compile("1.100 of 986 rows"))).to_be_visible()
    sample.go_back()
    expect(sample.get_by_text(re.compile("26.50 of 986 rows"))).to_be_visible()
    sample.go_back()
    expect(sample.locator("tbody td:first-child").first).to_have_text(first)


def test_another_report_works_without_code_changes(open_page: Open) -> None:
    page = open_page(SAMPLE).page
    page.get_by_label("Report", exact=True).select_option("Orders")
    page.get_by_label("From", exact=True).fill("2024-03-01")
    page.get_by_label("To", exact=True).fill("2024-03-31")
    page.get_by_role("form", name="Filters").get_by_label("Status", exact=True).select_option("Paid")
    expect(page.get_by_role("columnheader", name="Customer")).to_be_visible()
    expect(page.locator("tbody td[data-label=Status]").first).to_have_text("paid")
    _, content = downloaded(page, page.locator("#export").click)
    assert b",paid," in content
    assert b",shipped," not in content


def test_a_reload_after_an_export_repeats_nothing(sample: Page) -> None:
    downloaded(sample, sample.locator("#export").click)
    expect(sample).not_to_have_url(re.compile("export="))
    again: list[object] = []
    sample.on("download", lambda download: again.append(download))
    sample.reload()
    expect(sample.locator("tbody tr")).to_have_count(25)
    expect(sample.locator(".mine .badge.done").first).to_be_visible()
    expect(sample.locator(".toast")).to_have_count(0)
    assert again == []


def test_the_link_of_an_export_opens_it(sample: Page, api: httpx.Client) -> None:
    _, content = downloaded(sample, sample.locator("#export").click)
    sample.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sample.locator(f"#export-{newest(api)['id']}").get_by_role("button", name="Copy link").click()
    expect(sample.locator(".toast").last).to_contain_text("Copied to the clipboard")
    sample.goto(sample.evaluate("navigator.clipboard.readText()"))
    shared = sample.get_by_role("region", name="Shared export")
    expect(shared).to_contain_text("is ready: 986 of 986 rows")
    assert downloaded(sample, shared.get_by_role("link", name="Download").click)[1] == content
    shared.get_by_role("button", name="Close").click()
    expect(sample).not_to_have_url(re.compile("export="))


def test_download_run_again_and_delete_in_my_exports(sample: Page, api: httpx.Client) -> None:
    _, content = downloaded(sample, sample.locator("#export").click)
    job_id = newest(api)["id"]
    mine = sample.get_by_role("region", name="My exports").locator("li").first
    expect(mine).to_contain_text(re.compile(r"Jul 19 . 26, 2024"))
    expect(mine).to_contain_text("CSV for Excel")
    expect(mine).to_contain_text(re.compile(r"986 rows · \d+ kB · expires in 7 days"))
    mine.get_by_text("Receipt", exact=True).click()
    expect(mine).to_contain_text(hashlib.sha256(content).hexdigest())
    assert downloaded(sample, mine.get_by_role("link", name="Download").click)[1] == content
    assert downloaded(sample, mine.get_by_role("button", name="Run again").click)[1] == content
    newer = newest(api)["id"]
    assert newer != job_id
    sample.locator(f"#export-{newer}").get_by_role("button", name="Delete").click()
    sample.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(sample.locator(f"#export-{newer}")).to_have_count(0)
    assert api.get(f"/exports/{newer}").status_code == 404
    assert api.get(f"/exports/{job_id}").status_code == 200


def test_everything_works_with_the_keyboard(sample: Page) -> None:
    def tab_to(name: str) -> None:
        for _ in range(MOST_STOPS):
            sample.keyboard.press("Tab")
            if (
                sample.evaluate(
                    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
                )
                == name
            ):
                return
        raise AssertionError(f"no Tab leads to {name}")

    tab_to("Export 986 rows")
    _, content = downloaded(sample, lambda: sample.keyboard.press("Enter"))
    assert content
    tab_to("Export options")
    sample.keyboard.press("Enter")
    dialog = sample.get_by_role("dialog")
    expect(dialog).to_be_visible()
    sample.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(sample.get_by_role("button", name="Export options")).to_be_focused()
    tab_to("Dismiss")
    sample.keyboard.press("Enter")
    expect(sample.locator(".toast")).to_have_count(0)
