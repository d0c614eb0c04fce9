from typing import Any

import pytest

from deployments.command_line.text.schedule_text import HEADINGS, covers, planned, row, state

RUNS = [
    {"plannedAt": "2024-07-22T09:00:00+02:00", "from": "2024-07-15", "to": "2024-07-21"},
    {"plannedAt": "2024-07-29T09:00:00+02:00", "from": "2024-07-28", "to": "2024-07-28"},
    {"plannedAt": "2024-11-04T09:00:00-05:00", "from": None, "to": None},
]
SCHEDULE: dict[str, Any] = {
    "id": "899e1228-d7b8-40fc-8490-70e6f1efb338",
    "name": "Weekly\x1b[31m",
    "enabled": True,
    "readOnly": False,
    "recurrence": {"cron": "0 9 * * MON", "timeZone": "Europe/Madrid"},
    "range": {"kind": "relative", "preset": "previous-week"},
    "export": {"surveyId": "668b"},
    "nextRuns": RUNS,
}


def test_a_row_says_what_when_and_which_days() -> None:
    found = row(SCHEDULE)
    assert len(found) == len(HEADINGS)
    assert found == [
        SCHEDULE["id"],
        "Weekly [31m",
        "survey-responses",
        "0 9 * * MON",
        "Europe/Madrid",
        "previous-week",
        "active",
        "2024-07-22 09:00",
    ]


def test_one_that_is_paused_has_no_next_run() -> None:
    found = row(SCHEDULE | {"enabled": False, "nextRuns": []})
    assert found[-2:] == ["paused", ""]


def test_one_that_prefect_keeps_says_so() -> None:
    assert state(SCHEDULE | {"readOnly": True}) == "active, read-only"


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (None, ""),
        ({"kind": "since-last"}, "since-last"),
        ({"kind": "absolute", "from": "2024-07-01", "to": "2024-07-31"}, "2024-07-01..2024-07-31"),
    ],
)
def test_days_are_written_as_the_option_takes_them(days: Any, text: str) -> None:
    assert covers(days) == text


def test_planned_runs_are_told_with_weekday_zone_and_days() -> None:
    assert planned(RUNS) == [
        "Mon 2024-07-22 09:00 +02:00: 2024-07-15 to 2024-07-21",
        "Mon 2024-07-29 09:00 +02:00: 2024-07-28",
        "Mon 2024-11-04 09:00 -05:00",
    ]


def test_that_there_are_none_is_said() -> None:
    assert planned([]) == ["There are no runs to come."]
