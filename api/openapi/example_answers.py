"""Examples of answers, made by the functions that make the real ones. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from api.examples import ARTICLE_REQUEST
from api.exports.job import Job, Run, frozen_body, state
from flows.runs.receipt import Receipt, RunProgress, percent_written

_BASE = "http://127.0.0.1:8000"
_AT = datetime(2026, 11, 23, 17, 14, 57, tzinfo=UTC)
_ROWS, _WRITTEN = 417, 175
_RECEIPT = Receipt(
    attempt=1,
    name="survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv",
    rows=_ROWS,
    bytes=90_183,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    snapshot_at=(_AT + timedelta(seconds=1)).isoformat(),
)
_QUEUED = Job(
    Run(
        id="899e1228-d7b8-40fc-8490-70e6f1efb338",
        name="",
        state_type="SCHEDULED",
        state_name="Scheduled",
        state_message="",
        request=ARTICLE_REQUEST,
        masked=False,
        tags=frozenset(),
        attempt=0,
        attempts_left=True,
        created_at=_AT,
        started_at=None,
        finished_at=None,
    ),
    RunProgress(),
)
_RUNNING = Job(
    replace(_QUEUED.run, state_type="RUNNING", attempt=1, started_at=_AT + timedelta(seconds=1)),
    RunProgress(
        percent=percent_written(_WRITTEN, _ROWS),
        written=_WRITTEN,
        expected=_ROWS,
        snapshot_at=_RECEIPT.snapshot_at,
        heartbeat_at=_AT + timedelta(seconds=5),
    ),
)
_DONE = Job(
    replace(_RUNNING.run, state_type="COMPLETED", finished_at=_AT + timedelta(seconds=12)),
    replace(_RUNNING.progress, percent=100, written=_ROWS, receipt=_RECEIPT),
)
_FAILED = Job(
    replace(
        _DONE.run,
        state_type="FAILED",
        state_name="source.unavailable",
        state_message="The database that holds the report could not be reached.",
    ),
    _RUNNING.progress,
)
_URL = f"http://127.0.0.1:8333/exports/{_DONE.run.id}/1.csv?X-Amz-Signature=9f86d081"
_FILE = {
    "name": _RECEIPT.name,
    "rows": _RECEIPT.rows,
    "bytes": _RECEIPT.bytes,
    "sha256": _RECEIPT.sha256,
    "url": _URL,
    "urlExpiresAt": (_AT + timedelta(hours=1)).isoformat(),
    "expiresAt": (_AT + timedelta(days=7, seconds=12)).isoformat(),
}


def _state(job: Job, file: dict[str, Any] | None = None) -> dict[str, Any]:
    return state(job, _BASE, file, position=0, now=_AT + timedelta(seconds=6))


QUEUED, RUNNING, DONE = _state(_QUEUED), _state(_RUNNING), _state(_DONE, _FILE)
STARTED = {"data": _QUEUED.run.id}
POLLS = {
    "in progress": frozen_body(_RUNNING, None),
    "done": frozen_body(_DONE, _URL),
    "error": frozen_body(_FAILED, None),
}
LIST = {"items": [DONE], "nextCursor": None}
DRY_RUN = {
    "rows": _ROWS,
    "estimatedBytes": 89_240,
    "fileName": _RECEIPT.name,
    "columns": [{"key": "id", "label": "Response", "type": "integer"}],
    "sample": [{"id": 1}, {"id": 3}],
}
MANIFEST = {
    "id": _DONE.run.id,
    "request": ARTICLE_REQUEST,
    "attempt": _RECEIPT.attempt,
    "name": _RECEIPT.name,
    "snapshotAt": _RECEIPT.snapshot_at,
    "rows": _RECEIPT.rows,
    "bytes": _RECEIPT.bytes,
    "sha256": _RECEIPT.sha256,
    "columns": [{"key": "id", "label": "Response", "type": "integer"}],
}
TABLE = {
    "items": [{"id": 1, "submittedAt": "2024-07-19T08:12:44.000000+00:00"}],
    "page": 1,
    "pageSize": 1,
    "total": _ROWS,
    "columns": [
        {"key": "id", "label": "Response", "type": "integer", "sortable": True},
        {"key": "submittedAt", "label": "Submitted at", "type": "date-time", "sortable": True},
    ],
    "nextCursor": "WyI0ZjJjOGExZGU3MGIzNTk2IiwiMjAyNC0wNy0xOSIsMV0",
}
CHOICES = {
    "items": [{"value": ARTICLE_REQUEST["surveyId"], "title": "Open day: how was your visit?"}],
    "more": False,
}
LIMITS = {
    "running": {"limit": 5, "used": 1, "left": 4},
    "queued": {"limit": 50, "used": 0, "left": 50},
    "starts": {"perSecond": 1.0, "burst": 10, "left": 9},
    "rows": None,
    "reports": {
        "survey-responses": {"maxDays": 366, "maxRows": None},
        "orders": {"maxDays": None, "maxRows": None},
    },
    "body": {"bytes": 65536, "depth": 16},
}
