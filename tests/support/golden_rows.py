"""Rows and options for generating the golden files."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from flows.query.request import ExportRequest
from tests.support.sample_report import things_request

ROWS: list[dict[str, Any]] = [
    {
        "made_at": datetime(2024, 7, 19, 12, 30, 15, 7, UTC),
        "words": 'a "quoted", comma; a semicolon\r\nand a line',
        "whole": 3,
        "large": 2**63 - 1,
        "price": Decimal("9.90"),
        "rate": 1e15,
        "yes": True,
        "day": date(2024, 7, 9),
        "hour": time(9, 5),
        "mark": UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"),
        "extra": {"a": [None, "ü"], "bb": 1.5},
        "answers": {"q1": "שלום 😀", "q2": ["one", "two, three"]},
    },
    {"made_at": datetime(2024, 7, 20, tzinfo=UTC)},
    {
        "made_at": datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        "words": "",
        "whole": -3,
        "price": Decimal("-1234.50"),
        "rate": -0.25,
        "yes": False,
        "day": date(1969, 12, 31),
        "extra": {},
        "answers": {"q1": "", "q2": []},
    },
    {
        "made_at": datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        "words": '=HYPERLINK("x")',
        "rate": 1.5e-07,
        "answers": {"q1": "-5", "q2": ["@one", "two"]},
    },
    {
        "made_at": datetime(2024, 10, 28, tzinfo=UTC),
        "words": "-5+3",
        "answers": {"q1": "+34 600", "q2": "=x"},
    },
    {
        "made_at": datetime(2024, 10, 29, tzinfo=UTC),
        "words": "\ttab",
        "answers": {"q1": -0.5, "q2": "\rline"},
    },
]
# The CSV options for each golden file.
FILES: dict[str, Any] = {
    "plain.csv": "plain",
    "rfc4180.csv": "rfc4180",
    "excel.csv": "excel",
    "excel_comma.csv": {"preset": "excel", "delimiter": ";", "decimalMark": ","},
    "keys_tab.csv": {"header": "keys", "delimiter": "\t"},
}
# The request fields for each golden file in a format other than CSV.
OTHER_FORMATS: dict[str, dict[str, Any]] = {
    "things.jsonl": {"format": "jsonl"},
    "answers.jsonl": {
        "format": "jsonl",
        "columns": ["id", "answers"],
        "answers": {"multiple": "both", "values": "labels"},
    },
}


def request_with(**fields: Any) -> ExportRequest:
    return things_request(**fields, timeZone="Europe/Berlin", to="2024-10-31")


def request(csv: Any) -> ExportRequest:
    return request_with(csv=csv)
