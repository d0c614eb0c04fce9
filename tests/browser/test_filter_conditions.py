"""Test that filter conditions apply to the table, the file, shared links and schedules."""

import csv
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CATALOG, Open
from tests.support.extra_processes import ExtraProcesses

MARCH = "/?report=orders&from=2024-03-01&to=2024-03-31"
FILTERED = "/?report=filtered-orders&timeZone=Europe/Madrid"
MATCHING = """
    SELECT count(*) FROM orders WHERE placed_at >= '2024-03-01Z' AND placed_at < '2024-04-01Z'
        AND items BETWEEN 2 AND 3 AND status <> 'paid' AND currency ILIKE '%u%'
"""
# Delay frames and timers, as a busy machine does.
SLOW_FRAMES = """
const setTimer = window.setTimeout;
window.setTimeout = (call, delay = 0, ...rest) => setTimer(call, delay + 1000, ...rest);
window.requestAnimationFrame = (draw) => setTimer(() => draw(performance.now()), 1000);
"""


@pytest.fixture(scope="module")
def filtered_url(others: ExtraProcesses) -> str:
    return others.start_api(**CATALOG)


def choose(page: Page, label: str, condition: str) -> None:
    page.get_by_label(f"Condition for {label}", exact=True).select_option(condition)


def fill(page: Page, label: str, text: str) -> None:
    page.get_by_label(label, exact=True).fill(text)
    page.get_by_label(label, exact=True).press("Tab")


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_conditions_apply_to_table_file_link_and_schedule(
    open_page: Open, api: httpx.Client, database: psycopg.Connection
) -> None:
    counted = database.execute(MATCHING).fetchone()
    assert counted is not None
    opened = open_page(MARCH)
    page = opened.page
    choose(page, "Items", "between")
    fill(page, "Items from", "2")
    fill(page, "Items to", "3")
    choose(page, "Status", "is not")
    page.get_by_label("Status", exact=True).select_option("Paid")
    choose(page, "Currency", "contains")
    fill(page, "Currency", "u")
    expect(page.locator("#export")).to_contain_text(f"Export {counted[0]} rows")
    assert opened.axe_violations() == []
    expected = {
        "items[gte]": ["2"],
        "items[lte]": ["3"],
        "status[not]": ["paid"],
        "currency[contains]": ["u"],
    }
    assert expected.items() <= parameters(page).items()

    page.reload()
    expect(page.locator("#export")).to_contain_text(f"Export {counted[0]} rows")
    expect(page.get_by_label("Items to", exact=True)).to_have_value("3")
    expect(page.get_by_label("Condition for Status", exact=True)).to_have_value("not")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Share").click()
    shared = page.evaluate("navigator.clipboard.readText()")
    assert expected.items() <= parse_qs(urlsplit(shared).query).items()

    with page.expect_download() as download:
        page.locator("#export").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == counted[0]
    assert {row["Items"] for row in rows} == {"2", "3"}
    assert "paid" not in {row["Status"] for row in rows}
    words = "Items: at least 2 and at most 3 · Status: not paid · Currency: contains “u”"
    expect(page.get_by_role("region", name="My exports").locator("li").first).to_contain_text(words)

    page.get_by_role("button", name="Export options").click()
    page.get_by_role("button", name="Schedule…", exact=True).click()
    dialog = page.get_by_role("dialog", name="Create schedule")
    expect(dialog.get_by_text(words)).to_be_visible()
    dialog.get_by_role("button", name="Create schedule", exact=True).click()
    expect(dialog).to_be_hidden()
    schedule = api.get("/schedules").json()["items"][0]
    opened.failures_allowed = True  # the page may ask for the schedule while it is being deleted
    api.delete(f"/schedules/{schedule['id']}")
    assert schedule["export"]["filters"] == {
        "items": {"gte": 2, "lte": 3},
        "status": {"not": "paid"},
        "currency": {"contains": "u"},
    }

    page.get_by_role("button", name="Clear filters").click()
    expect(page).not_to_have_url(re.compile("items|status|currency"))


def test_the_fields_of_a_condition_depend_on_the_type(open_page: Open, filtered_url: str) -> None:
    opened = open_page(FILTERED, filtered_url)
    page = opened.page
    choose(page, "Placed at", "between")
    fill(page, "Placed at from", "2024-03-05T01:30")
    choose(page, "Shipped on", "between")
    fill(page, "Shipped on to", "2024-03-20")
    choose(page, "Total", "between")
    fill(page, "Total to", "150.50")
    choose(page, "Note", "is not empty")
    expect(page.locator("table[aria-busy=false]")).to_be_visible()
    assert parameters(page) | {"report": [], "timeZone": []} == {
        "report": [],
        "timeZone": [],
        "placedAt[gte]": ["2024-03-05T00:30:00Z"],
        "shippedOn[lte]": ["2024-03-20"],
        "total[lte]": ["150.5"],
        "note[null]": ["false"],
    }
    expect(page.get_by_label("Placed at from", exact=True)).to_have_value(re.compile("2024-03-05T01:30"))
    first = page.locator("tbody tr").first
    expect(first.locator("[data-label=Note]")).not_to_be_empty()
    assert opened.axe_violations() == []


def test_input_that_precedes_the_next_frame_is_kept(open_page: Open, filtered_url: str) -> None:
    """Regression test: on a busy machine, an effect that ran after the next frame replaced the input."""
    page = open_page("/", filtered_url).page
    page.add_init_script(SLOW_FRAMES)
    page.goto(f"{FILTERED}&shippedOn=2024-03-20")
    choose(page, "Shipped on", "between")
    choose(page, "Total", "between")
    fill(page, "Total to", "150.50")
    page.wait_for_timeout(1500)
    assert parameters(page)["total[lte]"] == ["150.5"]
    expect(page.get_by_label("Total to", exact=True)).to_have_value("150.5")
    expect(page.get_by_label("Condition for Shipped on", exact=True)).to_have_value("between")


def test_an_unsuitable_operator_in_the_address_is_reported_and_a_complex_one_is_shown(
    open_page: Open, filtered_url: str
) -> None:
    opened = open_page(f"{FILTERED}&total[gt]=10&total[lt]=90", filtered_url)
    expect(opened.page.get_by_text("more than 10 and less than 90")).to_be_visible()
    expect(opened.page.locator("tbody tr").first).to_be_visible()
    assert opened.axe_violations() == []
    opened.failures_allowed = True
    opened.page.goto(f"{FILTERED}&total[contains]=1")
    expect(opened.page.locator("#field-total-note")).to_contain_text("Unknown operator. Choose from:")


def test_conditions_are_in_german(open_page: Open, filtered_url: str) -> None:
    page = open_page(f"{FILTERED}&note[null]=true", filtered_url, locale="de-DE").page
    menu = page.get_by_label("Bedingung für Note", exact=True)
    expect(menu.locator("option")).to_have_text(["ist", "enthält", "ist nicht", "ist leer", "ist nicht leer"])
    expect(menu).to_have_value("empty")
