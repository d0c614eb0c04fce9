from typing import Any

import pytest

from deployments.command_line.text.schedule_text import (
    HEADINGS,
    format_planned_runs,
    format_range,
    format_row,
    format_state,
)

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


def test_a_row_shows_report_recurrence_and_range() -> None:
    cells = format_row(SCHEDULE)
    assert len(cells) == len(HEADINGS)
    assert cells == [
        SCHEDULE["id"],
        "Weekly [31m",
        "survey-responses",
        "0 9 * * MON",
        "Europe/Madrid",
        "previous-week",
        "active",
        "2024-07-22 09:00",
    ]


def test_a_paused_schedule_has_no_next_run() -> None:
    cells = format_row(SCHEDULE | {"enabled": False, "nextRuns": []})
    assert cells[-2:] == ["paused", ""]


def test_a_schedule_from_prefect_yaml_is_marked_read_only() -> None:
    assert format_state(SCHEDULE | {"readOnly": True}) == "active, read-only"


@pytest.mark.parametrize(
    ("range_", "text"),
    [
        (None, ""),
        ({"kind": "since-last"}, "since-last"),
        ({"kind": "absolute", "from": "2024-07-01", "to": "2024-07-31"}, "2024-07-01..2024-07-31"),
    ],
)
def test_a_range_is_shown_as_the_option_accepts_it(range_: Any, text: str) -> None:
    assert format_range(range_) == text


def test_planned_runs_show_weekday_offset_and_days() -> None:
    assert format_planned_runs(RUNS) == [
        "Mon 2024-07-22 09:00 +02:00: 2024-07-15 to 2024-07-21",
        "Mon 2024-07-29 09:00 +02:00: 2024-07-28",
        "Mon 2024-11-04 09:00 -05:00",
    ]


def test_an_empty_plan_has_a_message() -> None:
    assert format_planned_runs([]) == ["No runs are planned."]
