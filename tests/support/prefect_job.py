"""Build jobs like those that the API reads from Prefect."""

from typing import Any

from api.exports.job import Job, Run
from flows.runs.receipt import Receipt, RunProgress
from tests.support.clock import NOON

JOB_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
RECEIPT = Receipt(
    attempt=1,
    name="survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv",
    rows=417,
    bytes=52_125,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    snapshot_at="2024-07-19T12:00:01+00:00",
)
HALF = RunProgress(percent=50, written=211, expected=417, snapshot_at="2024-07-19T12:00:01+00:00")
WHOLE = RunProgress(percent=100, written=417, expected=417, snapshot_at=RECEIPT.snapshot_at, receipt=RECEIPT)


def job(state_type: str = "RUNNING", progress: RunProgress = HALF, **fields: Any) -> Job:
    run: dict[str, Any] = {
        "id": JOB_ID,
        "name": "survey-responses-0123456789ab",
        "state_type": state_type,
        "state_name": state_type.capitalize(),
        "state_message": "",
        "request": {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"},
        "report": "survey-responses",
        "masked": False,
        "rights": None,
        "tags": frozenset({"owner:local"}),
        "attempt": 1,
        "attempts_left": True,
        "created_at": NOON,
        "started_at": NOON,
        "finished_at": None,
    }
    return Job(Run(**run | fields), progress)


def failed(code: str, message: str = "", **fields: Any) -> Job:
    return job("FAILED", state_message=f"{code}: {message}", **fields)
