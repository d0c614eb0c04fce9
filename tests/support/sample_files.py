"""Export the sample report from SQLite, with or without a transform."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from flows.query.request import ExportRequest
from flows.rows.transform import Transform
from tests.support.engines import file_from_snapshot
from tests.support.sample_report import things_snapshot

# A row without nulls.
FULL: dict[str, Any] = {
    "made_at": datetime(2024, 7, 19, 12, 30, 15, 7, UTC),
    "words": 'a "quoted", comma\r\nand a line',
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
}


def file_of(rows: list[dict[str, Any]], request: ExportRequest, transform: Transform | None = None) -> bytes:
    with things_snapshot(rows) as snap:
        return file_from_snapshot(snap, with_transform(request, transform))


def with_transform(request: ExportRequest, transform: Transform | None) -> ExportRequest:
    """Return a copy of the request. The copy's report has this transform and a different file path."""
    report = replace(request.report, transform=transform, file="/srv/house/recoded_things.py")
    return replace(request, report=report)
