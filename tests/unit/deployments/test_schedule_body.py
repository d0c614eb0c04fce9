from argparse import Namespace
from typing import Any

import pytest

from deployments.command_line.options.export_options import FORMATS
from deployments.command_line.schedule_body import build_schedule_body, describe_schedule_errors, parse_range
from flows.formats.registry import FORMATS as REGISTERED

REPORT = {
    "parameters": [{"name": "surveyId"}, {"name": "from"}, {"name": "to"}],
    "filters": [{"name": "isAttended", "type": "boolean"}],
}
UNSET: dict[str, Any] = {
    "report": "survey-responses",
    **dict.fromkeys(("name", "cron", "every", "rrule", "anchor", "time_zone", "range", "file_name")),
    **dict.fromkeys(("columns", "sort", "format", "csv")),
    "only_if_rows": False,
    "filter": [],
    "scope": [],
    "csv_option": [],
    "format_option": [],
    "answers": [],
    "codebook": False,
}


def body(**arguments: Any) -> dict[str, Any]:
    scope_pairs = [("--survey", "668b")]
    return build_schedule_body(Namespace(**UNSET | arguments), scope_pairs, REPORT, {"--name", "--csv"})


def test_unset_options_are_omitted() -> None:
    assert body(cron="0 9 * * MON") == {
        "recurrence": {"cron": "0 9 * * MON"},
        "export": {"report": "survey-responses", "surveyId": "668b"},
        "onlyIfRows": False,
    }


def test_every_option_has_a_field() -> None:
    full = body(
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
        answers=[("multiple", "columns"), ("values", "codes")],
        codebook=True,
    )
    assert full == {
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
            "answers": {"multiple": "columns", "values": "codes"},
            "codebook": True,
        },
        "onlyIfRows": True,
    }


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({"format": "jsonl"}, {"format": "jsonl"}),
        (
            {"format": "jsonl", "format_option": [("compression", "gzip")]},
            {"format": "jsonl", "jsonl": {"compression": "gzip"}},
        ),
        (
            {"format": "csv", "csv": "excel", "format_option": [("header", "keys")]},
            {"format": "csv", "csv": {"preset": "excel", "header": "keys"}},
        ),
        ({"format_option": [("header", "keys")]}, {"csv": {"header": "keys"}}),
    ],
)
def test_a_format_has_its_own_options(arguments: dict[str, Any], fields: dict[str, Any]) -> None:
    selection = {"report": "survey-responses", "surveyId": "668b"}
    assert body(cron="0 9 * * MON", **arguments)["export"] == selection | fields


def test_the_command_line_offers_every_format() -> None:
    assert tuple(REGISTERED) == FORMATS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("previous-week", {"kind": "relative", "preset": "previous-week"}),
        ("since-last", {"kind": "since-last"}),
        ("2024-7-1..2024-07-31", {"kind": "absolute", "from": "2024-7-1", "to": "2024-07-31"}),
        ("2024-7-1..", {"kind": "absolute", "from": "2024-7-1", "to": ""}),
    ],
)
def test_a_range_is_a_preset_or_since_last_or_two_dates(text: str, expected: dict[str, str]) -> None:
    assert parse_range(text) == expected


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
        ("/export/format", "--format"),
        ("/export/jsonl/compression", "--format-option compression"),
        ("/export/columns", "--columns"),
        ("/export/report", "REPORT"),
        ("/export/name", "--file-name"),
        ("/headers/Idempotency-Key", "--idempotency-key"),
    ],
)
def test_a_pointer_maps_to_its_option(pointer: str, option: str) -> None:
    lines = describe_schedule_errors([{"pointer": pointer, "detail": "No."}], {"surveyId": "--survey"})
    assert lines == [f"{option}: No."]
