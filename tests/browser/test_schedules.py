"""Test that schedules can be created, previewed, paused, run, edited and deleted on the page."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SAMPLE, Open
from tests.support.export_client import SURVEY
from tests.support.schedules import schedule_from_prefect_yaml

SLOT = r"Mon, \w{3} \d{1,2}, \d{4}, 09:00"


@pytest.fixture(autouse=True)
def delete_new_schedules(api: httpx.Client) -> Iterator[None]:
    before = {schedule["id"] for schedule in listed(api)}
    yield
    for schedule in listed(api):
        if schedule["id"] not in before:
            api.delete(f"/schedules/{schedule['id']}")


def listed(api: httpx.Client) -> list[dict[str, Any]]:
    return list(api.get("/schedules", params={"limit": 100}).raise_for_status().json()["items"])


def dialog_of(page: Page) -> Locator:
    """Open the schedule dialog from the export options and return it."""
    page.locator("tbody tr").first.wait_for()
    page.get_by_role("button", name="Export options").click()
    page.get_by_role("button", name="Schedule…", exact=True).click()
    return page.get_by_role("dialog", name="Create schedule")


def entry(page: Page, name: str) -> Locator:
    region = page.get_by_role("region", name="Schedules")
    return region.locator(":scope > ul > li", has_text=name)


def test_current_filters_run_every_monday(open_page: Open, api: httpx.Client) -> None:
    opened = open_page(f"{SAMPLE}&isAttended=true&timeZone=Europe/Madrid&pageSize=5")
    page = opened.page
    dialog = dialog_of(page)
    expect(dialog.get_by_text("Survey responses, 2024")).to_have_count(0)
    expect(
        dialog.get_by_text("Survey responses, Attended: yes · Europe/Madrid · CSV for Excel")
    ).to_be_visible()
    expect(dialog.get_by_text("Every Monday at 09:00, Europe/Madrid, for the previous week.")).to_be_visible()
    runs = dialog.get_by_role("region", name="Next runs").get_by_role("listitem")
    expect(runs).to_have_count(3)
    expect(runs.first).to_have_text(re.compile(rf"{SLOT}\s*covers \w{{3}} \d{{1,2}}.*\d{{4}}"))
    assert opened.axe_violations() == []
    dialog.get_by_role("button", name="Create schedule", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".toast")).to_contain_text("Saved “Weekly survey responses”. Next run: Mon, ")
    created = listed(api)[0]
    assert (created["name"], created["onlyIfRows"]) == ("Weekly survey responses", False)
    assert created["recurrence"] == {"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"}
    assert created["range"] == {"kind": "relative", "preset": "previous-week"}
    assert created["export"] == {
        "report": "survey-responses",
        "surveyId": SURVEY,
        "timeZone": "Europe/Madrid",
        "filters": {"isAttended": True},
        "csv": {"preset": "excel"},
    }
    item = entry(page, "Weekly survey responses")
    expect(item).to_contain_text("Every Monday at 09:00, Europe/Madrid · the previous week")
    expect(item).to_contain_text(re.compile(f"Next run: {SLOT}, for "))
    expect(item).to_contain_text("No runs yet.")
    assert opened.axe_violations() == []


def test_pause_resume_run_edit_and_delete(sample: Page, api: httpx.Client) -> None:
    dialog_of(sample).get_by_role("button", name="Create schedule", exact=True).click()
    item = entry(sample, "Weekly survey responses")
    item.get_by_role("button", name="Pause").click()
    expect(item).to_contain_text("Paused")
    assert listed(api)[0]["enabled"] is False
    item.get_by_role("button", name="Resume").click()
    expect(item).to_contain_text("Next run: Mon, ")
    with sample.expect_download() as download:
        item.get_by_role("button", name="Run now").click()
    assert download.value.suggested_filename.startswith(f"survey-responses_{SURVEY}_")
    expect(item).to_contain_text("Last run: just now · Ready · 0 rows")
    item.get_by_text("History").click()
    expect(item.locator(".history").get_by_role("link", name="Download survey-responses")).to_be_visible()
    item.get_by_role("button", name="Edit…").click()
    dialog = sample.get_by_role("dialog", name="Edit schedule")
    dialog.get_by_label("Name").fill("Attendees, monthly")
    dialog.get_by_label("How often").select_option("Every month")
    dialog.get_by_label("On day").select_option("2")
    dialog.get_by_label("At").fill("07:30")
    dialog.get_by_label("Each run covers").select_option("rows since the last run")
    dialog.get_by_label("Skip runs with no rows").check()
    dialog.get_by_role("button", name="Save").click()
    item = entry(sample, "Attendees, monthly")
    expect(item).to_contain_text("On day 2 of every month at 07:30, UTC · rows since the last run")
    changed = listed(api)[0]
    assert (changed["recurrence"]["cron"], changed["range"]["kind"]) == ("30 7 2 * *", "since-last")
    assert changed["onlyIfRows"] is True
    item.get_by_role("button", name="Delete").click()
    sample.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(item).to_have_count(0)
    assert changed["id"] not in [schedule["id"] for schedule in listed(api)]


def test_errors_are_shown_next_to_their_fields_and_cron_fills_the_simple_fields(
    open_page: Open, api: httpx.Client
) -> None:
    opened = open_page(SAMPLE)
    opened.failures_allowed = True
    before = len(listed(api))
    dialog = dialog_of(opened.page)
    dialog.get_by_text("Advanced").click()
    cron = dialog.get_by_label("Cron expression")
    expect(cron).to_have_value("0 9 * * MON")
    cron.fill("30 6 * * 1-5")
    expect(dialog.get_by_label("How often")).to_have_value("weekdays")
    expect(dialog.get_by_text("Every weekday at 06:30, UTC, for yesterday.")).to_be_visible()
    cron.fill("* * * * *")
    expect(dialog.locator("#schedule-cron-note")).to_contain_text("15 minutes between two runs")
    expect(dialog.get_by_role("listitem")).to_have_count(0)
    cron.fill("0 9 * *")
    expect(dialog.locator("#schedule-cron-note")).to_contain_text("exactly five fields")
    save = dialog.get_by_role("button", name="Create schedule", exact=True)
    expect(save).to_have_attribute("aria-disabled", "true")
    save.click(force=True)
    cron.fill("0 */6 * * *")
    expect(dialog.get_by_text("Custom (cron 0 */6 * * *), UTC, for yesterday.")).to_be_visible()
    dialog.get_by_label("Name").fill("")
    expect(dialog.locator("#schedule-name-note")).to_have_text("Enter a name.")
    save.click(force=True)
    opened.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert len(listed(api)) == before


def test_schedule_an_earlier_export_in_another_time_zone(open_page: Open) -> None:
    page = open_page("/?report=orders&from=2024-01-01&to=2024-01-02&status=paid").page
    page.locator("tbody tr").first.wait_for()
    with page.expect_download():
        page.locator("#export").click()
    mine = page.get_by_role("region", name="My exports").locator(":scope > ul > li").first
    mine.get_by_role("button", name="Schedule… Orders").click()
    dialog = page.get_by_role("dialog", name="Create schedule")
    expect(dialog.get_by_text("Orders, Status: paid · CSV for Excel")).to_be_visible()
    expect(dialog.get_by_label("Each run covers").locator("option").last).to_have_text(
        re.compile("the fixed dates Jan 1 . 2, 2024")
    )
    dialog.get_by_label("How often").select_option("Every day")
    dialog.get_by_label("Time zone").fill("Asia/Tokyo")
    runs = dialog.get_by_role("region", name="Next runs").get_by_role("listitem")
    expect(runs.first).to_have_text(re.compile(r"\w{3}, .* 09:00\s*covers \w+ \d{1,2}, \d{4}$"))


def test_a_schedule_from_prefect_yaml_can_only_be_run(sample: Page, prefect: httpx.Client) -> None:
    with schedule_from_prefect_yaml(prefect) as (_, name):
        sample.reload()
        item = entry(sample, name)
        expect(item).to_contain_text("Every Monday at 09:00, Europe/Madrid · the previous week")
        expect(item).to_contain_text("Managed in prefect.yaml or Prefect.")
        expect(item.get_by_role("button")).to_have_text(["Run now"])
