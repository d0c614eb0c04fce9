"""Test the first visit to the page, its date presets and its languages."""

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import SAMPLE, Open

PHONE = {"width": 390, "height": 844}
MAX_REQUESTS, MAX_BYTES = 10, 50 * 1024


def test_a_first_visit_shows_the_latest_rows(open_page: Open) -> None:
    page = open_page("/").page
    page.locator("tbody tr").first.wait_for()
    expect(page).to_have_url(re.compile(r"report=survey-responses&surveyId=[0-9a-f]{24}&from=.+&to="))
    expect(page.get_by_role("button", name=re.compile(r"Export [\d,]+ rows"))).to_be_visible()


def test_another_report_starts_with_its_own_latest_rows(open_page: Open) -> None:
    page = open_page(SAMPLE).page
    page.get_by_label("Report", exact=True).select_option("Orders")
    page.locator("tbody td[data-label=Customer]").first.wait_for()
    expect(page).to_have_url(re.compile(r"report=orders&from=\d{4}-\d\d-\d\d&to=\d{4}-\d\d-\d\d$"))


def test_a_date_preset_sets_both_dates(open_page: Open) -> None:
    opened = open_page("/docs")
    page = opened.page
    page.clock.set_fixed_time("2024-08-20T12:00:00Z")
    page.goto(SAMPLE)
    page.locator("tbody tr").first.wait_for()
    presets = page.get_by_label("Dates")
    expect(presets.locator("option:checked")).to_have_text("Custom")
    presets.select_option("Last month")
    expect(page).to_have_url(re.compile("from=2024-07-01&to=2024-07-31"))
    expect(presets).to_have_value("last-month")
    presets.select_option("This quarter")
    expect(page).to_have_url(re.compile("from=2024-07-01&to=2024-08-20"))
    presets.select_option("Last quarter")
    expect(page).to_have_url(re.compile("from=2024-04-01&to=2024-06-30"))
    page.get_by_label("To", exact=True).fill("2024-08-01")
    page.keyboard.press("Tab")
    expect(presets).to_have_value("")


def test_the_page_arrives_in_few_small_requests(open_page: Open) -> None:
    """Count the requests for the HTML page, script, style sheet and icon, but not those for data."""
    opened = open_page("/docs")
    page = opened.page
    static: list[str] = []
    sizes: list[int] = []

    def note(url: str, size: int) -> None:
        static.append(url)
        sizes.append(size)

    page.on(
        "requestfinished",
        lambda request: (
            request.resource_type != "fetch" and note(request.url, request.sizes()["responseBodySize"])
        ),
    )
    page.goto(SAMPLE)
    page.locator("tbody tr").first.wait_for()
    page.wait_for_timeout(500)
    assert len(static) <= MAX_REQUESTS, static
    assert sum(sizes) <= MAX_BYTES, dict(zip(static, sizes, strict=True))


def test_the_layout_hardly_shifts_on_a_phone(open_page: Open) -> None:
    opened = open_page("/docs", viewport=PHONE)
    page = opened.page
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const each of list.getEntries())"
        " if (!each.hadRecentInput) window.shift += each.value; })"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    page.goto(SAMPLE)
    page.locator("tbody tr").first.wait_for()
    page.wait_for_timeout(1000)
    assert page.evaluate("window.shift") <= 0.05


def test_german_readers_get_german_texts_and_files_for_their_excel(open_page: Open) -> None:
    opened = open_page(SAMPLE, locale="de-DE")
    page = opened.page
    button = page.get_by_role("button", name="986 Zeilen exportieren")
    expect(button).to_have_text("986 Zeilen exportieren")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert opened.axe_violations() == []
    with page.expect_download() as download:
        button.click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert next(csv.reader(io.StringIO(text), delimiter=";"))[0] == "Response"
    item = page.get_by_role("region", name="Meine Exporte").locator(":scope > ul > li").first
    expect(item).to_contain_text("CSV für Excel · Semikolon · Dezimalkomma")
    expect(item).to_contain_text(re.compile(r"19\..26\. Juli 2024"))


def test_other_languages_get_english(open_page: Open) -> None:
    page = open_page(SAMPLE, locale="fr-FR").page
    expect(page.get_by_role("button", name="Export 986 rows")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
