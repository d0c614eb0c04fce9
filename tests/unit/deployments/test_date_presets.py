"""Test the date presets of the command line."""

import re
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.command_line.date_presets import PRESETS, preset_dates
from deployments.command_line.exit_codes import RequestRejected
from deployments.command_line.request_body import build_dates

PAGE = Path(__file__).parents[3] / "api/page/dates.js"
NOW = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", "2024-02-29", "2024-02-29"),
        ("yesterday", "2024-02-28", "2024-02-28"),
        ("last-7-days", "2024-02-23", "2024-02-29"),
        ("last-30-days", "2024-01-31", "2024-02-29"),
        ("last-90-days", "2023-12-02", "2024-02-29"),
        ("this-month", "2024-02-01", "2024-02-29"),
        ("last-month", "2024-01-01", "2024-01-31"),
        ("this-quarter", "2024-01-01", "2024-02-29"),
        ("last-quarter", "2023-10-01", "2023-12-31"),
        ("this-year", "2024-01-01", "2024-02-29"),
        ("last-year", "2023-01-01", "2023-12-31"),
    ],
)
def test_presets_are_relative_to_the_current_day(preset: str, first: str, last: str) -> None:
    assert [day.isoformat() for day in preset_dates(preset, NOW, None)] == [first, last]


def test_the_current_day_depends_on_the_time_zone() -> None:
    assert preset_dates("today", NOW, "Europe/Madrid")[0].isoformat() == "2024-03-01"
    assert preset_dates("today", NOW, "Not/A/Zone")[0].isoformat() == "2024-02-29"


def test_the_page_has_the_same_presets() -> None:
    text = PAGE.read_text().partition("export const PRESETS = {")[2].partition("};")[0]
    assert re.findall(r'^  "?([a-z0-9-]+)"?:', text, re.MULTILINE) == list(PRESETS)


def test_a_preset_replaces_both_dates() -> None:
    arguments = Namespace(dates="last-month", start=None, end=None, time_zone=None)
    assert build_dates(arguments, NOW) == {"from": "2024-01-01", "to": "2024-01-31"}
    with pytest.raises(RequestRejected, match="--dates: use either"):
        build_dates(Namespace(dates="today", start="2024-01-01", end=None, time_zone=None), NOW)
