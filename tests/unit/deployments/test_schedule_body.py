from argparse import Namespace
from typing import Any

import pytest

from deployments.command_line.schedule_body import days, in_recurring_options, recurring_body

REPORT = {
    "parameters": [{"name": "surveyId"}, {"name": "from"}, {"name": "to"}],
    "filters": [{"name": "isAttended", "type": "boolean"}],
}
NOTHING: dict[str, Any] = {
    "report": "survey-responses",
    **dict.fromkeys(("name", "cron", "every", "rrule", "anchor", "time_zone", "range", "file_name")),
    **dict.fromkeys(("columns", "sort", "csv")),
    "only_if_rows": False,
    "filter": [],
    "scope": [],
    "csv_option": [],
}


def body(**given: Any) -> dict[str, Any]:
    options = [("--survey", "668b")]
    return recurring_body(Namespace(**NOTHING | given), options, REPORT, {"--name", "--csv"})


def test_only_what_is_said_is_asked_for() -> None:
    assert body(cron="0 9 * * MON") == {
        "recurrence": {"cron": "0 9 * * MON"},
        "export": {"report": "survey-responses", "surveyId": "668b"},
        "onlyIfRows": False,
    }


def test_every_option_has_its_place() -> None:
    given = body(
        name="Weekly",
        every="P1D",
        anchor="2024-01-01T09:00:00Z",
        time_zone="Europe/Madrid",
        range="previous-week",
        only_if_rows=True,
        file_name="attendees",
        filter=[("isAttended", "true")],
        columns="id,utm",
        sort="-id",
        csv="excel",
        csv_option=[("delimiter", ";")],
    )
    assert given == {
        "name": "Weekly",
        "recurrence": {"every": "P1D", "anchor": "2024-01-01T09:00:00Z", "timeZone": "Europe/Madrid"},
        "range": {"kind": "relative", "preset": "previous-week"},
        "export": {
            "report": "survey-responses",
            "surveyId": "668b",
            "name": "attendees",
            "filters": {"isAttended": True},
            "columns": ["id", "utm"],
            "sort": "-id",
            "csv": {"preset": "excel", "delimiter": ";"},
        },
        "onlyIfRows": True,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("previous-week", {"kind": "relative", "preset": "previous-week"}),
        ("since-last", {"kind": "since-last"}),
        ("2024-7-1..2024-07-31", {"kind": "absolute", "from": "2024-7-1", "to": "2024-07-31"}),
        ("2024-7-1..", {"kind": "absolute", "from": "2024-7-1", "to": ""}),
    ],
)
def test_days_are_a_preset_or_since_last_or_two_ends(text: str, found: dict[str, str]) -> None:
    assert days(text) == found


@pytest.mark.parametrize(
    ("pointer", "option"),
    [
        ("/name", "--name"),
        ("/recurrence", "--cron"),
        ("/recurrence/cron", "--cron"),
        ("/recurrence/rrule", "--rrule"),
        ("/recurrence/every", "--every"),
        ("/recurrence/anchor", "--anchor"),
        ("/recurrence/timeZone", "--time-zone"),
        ("/range", "--range"),
        ("/range/preset", "--range"),
        ("/range/from", "--range"),
        ("/export/surveyId", "--survey"),
        ("/export/filters/utm", "--filter utm"),
        ("/export/csv/header", "--csv-option header"),
        ("/export/columns", "--columns"),
        ("/export/report", "REPORT"),
        ("/export/name", "--file-name"),
        ("/headers/Idempotency-Key", "--idempotency-key"),
    ],
)
def test_a_pointer_is_spoken_of_as_its_option(pointer: str, option: str) -> None:
    found = in_recurring_options([{"pointer": pointer, "detail": "No."}], {"surveyId": "--survey"})
    assert found == [f"{option}: No."]
