from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from prefect.client.schemas.objects import StateType

from api.exports.answers import ExportFile, export_answer
from api.exports.job import MEANINGS, Job, JobError, Status, poll_headers
from flows.errors import NoRows, errors_by_code
from flows.runs.receipt import RunProgress
from tests.support.clock import NOON
from tests.support.prefect_job import HALF, JOB_ID, RECEIPT, WHOLE, failed, job

LOST = "The worker crashed on every attempt."
UNKNOWN = f"The export failed. Quote {JOB_ID}."


@pytest.mark.parametrize(
    ("export_job", "status"),
    [
        (job("SCHEDULED", RunProgress()), "queued"),
        (job("SCHEDULED", state_name="AwaitingRetry"), "queued"),
        (job("PENDING", RunProgress()), "queued"),
        (job("PAUSED"), "queued"),
        (job("RUNNING", RunProgress()), "running"),
        (job("RUNNING"), "running"),
        (job("RUNNING", WHOLE), "finalizing"),
        (job("CANCELLING"), "running"),
        (job("COMPLETED", WHOLE), "done"),
        (job("COMPLETED", WHOLE, tags=frozenset({"expired"})), "expired"),
        (job("COMPLETED", HALF), "error"),
        (job("COMPLETED", RunProgress()), "error"),
        (job("COMPLETED", RunProgress(), state_message=f"rows.none: {NoRows()}"), "cancelled"),
        (job("COMPLETED", RunProgress(), state_name="NoRows"), "cancelled"),  # from older versions
        (job("COMPLETED", RunProgress(), state_name="NoRows", tags=frozenset({"expired"})), "cancelled"),
        (job("FAILED"), "error"),
        (job("CRASHED", attempts_left=True), "queued"),
        (job("CRASHED", attempts_left=False), "error"),
        (job("CANCELLED"), "cancelled"),
        (job("CANCELLED", WHOLE), "cancelled"),
    ],
)
def test_each_run_state_maps_to_one_status(export_job: Job, status: str) -> None:
    assert export_job.status == status
    assert export_job.finished is (status in ("done", "expired", "error", "cancelled"))


@pytest.mark.parametrize("state_type", list(StateType))
@pytest.mark.parametrize("progress", [RunProgress(), HALF, WHOLE])
@pytest.mark.parametrize("attempts_left", [True, False])
def test_every_state_of_prefect_has_a_status(
    state_type: StateType, progress: RunProgress, attempts_left: bool
) -> None:
    export_job = job(state_type.value, progress, attempts_left=attempts_left)
    assert export_job.status in get_args(Status)
    assert (export_job.error is not None) is (export_job.status in ("error", "cancelled", "expired"))
    assert (export_job.percent == 100) is (export_job.status == "done")


def test_every_status_has_a_description() -> None:
    assert set(MEANINGS) == set(get_args(Status))
    assert all(sentence.endswith(".") for sentence in MEANINGS.values())


@pytest.mark.parametrize(
    ("export_job", "error"),
    [
        (
            failed("source.unavailable", "The database that holds the report could not be reached."),
            JobError("source.unavailable", True, "The database that holds the report could not be reached."),
        ),
        (failed("source.timeout", "Too long."), JobError("source.timeout", False, "Too long.")),
        (failed("storage.denied", "Refused."), JobError("storage.denied", False, "Refused.")),
        (
            failed("request.invalid", "/from: now is not a date."),
            JobError("request.invalid", False, "/from: now is not a date."),
        ),
        (failed("internal", "The export failed."), JobError("internal", False, UNKNOWN)),
        (failed("Failed", "psycopg: password for host db1"), JobError("internal", False, UNKNOWN)),
        (failed("", "Flow run encountered an exception"), JobError("internal", False, UNKNOWN)),
        (job("COMPLETED", HALF, state_message="3 rows"), JobError("internal", False, UNKNOWN)),
        (
            job("CRASHED", attempts_left=False, state_message="exit code -9 on host"),
            JobError("worker.lost", False, LOST),
        ),
        (job("CANCELLED"), JobError("cancelled", True, "The export was cancelled.")),
        (job("RUNNING"), None),
        (job("COMPLETED", WHOLE), None),
        (job("CRASHED", attempts_left=True), None),
    ],
)
def test_an_error_has_a_stable_code_and_our_own_message(export_job: Job, error: JobError | None) -> None:
    assert export_job.error == error


@pytest.mark.parametrize("code", sorted(set(errors_by_code()) - {"internal"}))
def test_each_code_says_whether_a_retry_can_help(code: str) -> None:
    kind = errors_by_code()[code]
    assert failed(code, kind.message).error == JobError(code, kind.retryable, kind.message)
    of_an_earlier_version = job("FAILED", state_name=code, state_message=kind.message)
    assert of_an_earlier_version.error == JobError(code, kind.retryable, kind.message)


@pytest.mark.parametrize(
    ("age_seconds", "delay"),
    [(-5, 1), (0, 1), (9.9, 1), (10, 2), (29.9, 2), (30, 5), (119.9, 5), (120, 10), (86_400, 10)],
)
def test_the_delay_between_polls_grows_with_the_age_of_the_job(age_seconds: float, delay: int) -> None:
    headers = poll_headers(job(), NOON + timedelta(seconds=age_seconds), stale=False)
    assert headers["Retry-After"] == str(delay)


@pytest.mark.parametrize(
    ("export_job", "stale", "headers"),
    [
        (
            job("SCHEDULED", RunProgress()),
            False,
            {"X-Export-Status": "202", "X-Progress": "waiting for a worker", "Retry-After": "1"},
        ),
        (
            job("RUNNING", RunProgress()),
            False,
            {"X-Export-Status": "202", "X-Progress": "counting rows", "Retry-After": "1"},
        ),
        (
            job("RUNNING", RunProgress(42, 4200, 10_000)),
            True,
            {
                "X-Export-Status": "202",
                "X-Progress": "4,200 of 10,000 rows",
                "Retry-After": "1",
                "Warning": '110 - "Response is Stale"',
            },
        ),
        (job("COMPLETED", WHOLE), False, {"X-Export-Status": "200", "X-Progress": "417 of 417 rows"}),
        (failed("internal"), False, {"X-Export-Status": "500", "X-Progress": "211 of 417 rows"}),
        (job("CANCELLED"), False, {"X-Export-Status": "500", "X-Progress": "211 of 417 rows"}),
    ],
)
def test_poll_headers(export_job: Job, stale: bool, headers: dict[str, str]) -> None:
    assert poll_headers(export_job, NOON, stale) == {"Cache-Control": "no-store", **headers}


def state(job: Job, base_url: str, file: ExportFile | None, position: int, now: datetime) -> dict[str, Any]:
    return export_answer(job, base_url, file, position, now).model_dump(mode="json")


def test_the_full_state() -> None:
    file = {
        "name": RECEIPT.name,
        "rows": RECEIPT.rows,
        "bytes": RECEIPT.bytes,
        "sha256": RECEIPT.sha256,
        "url": "https://files.example.com/1.csv?X-Amz-Signature=9f86d0",
        "urlExpiresAt": "2024-07-19T13:00:00+00:00",
        "expiresAt": "2024-07-26T12:00:05+00:00",
    }
    export_job = job("COMPLETED", WHOLE, finished_at=NOON + timedelta(seconds=5))
    here = f"https://reports.example.com/exports/{JOB_ID}"
    expected: dict[str, Any] = {
        "id": JOB_ID,
        "report": "survey-responses",
        "name": None,
        "status": "done",
        "phase": None,
        "progress": 100,
        "rows": {"expected": 417, "written": 417},
        "queue": {"position": 0},
        "etaSeconds": None,
        "heartbeatAt": None,
        "snapshotAt": "2024-07-19T12:00:01+00:00",
        "timeZone": "UTC",
        "request": {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"},
        "attempt": 1,
        "file": file,
        "error": None,
        "createdAt": "2024-07-19T12:00:00+00:00",
        "startedAt": "2024-07-19T12:00:00+00:00",
        "finishedAt": "2024-07-19T12:00:05+00:00",
        "scheduleId": None,
        "retryOf": None,
        "links": {
            "self": here,
            "cancel": None,
            "retry": f"{here}/retry",
            "download": f"{here}/download",
            "manifest": f"{here}/manifest",
        },
    }
    assert (
        state(export_job, "https://reports.example.com", ExportFile.model_validate(file), 0, NOON) == expected
    )


def test_the_state_of_a_running_job_has_phase_time_left_and_links() -> None:
    progress = replace(HALF, heartbeat_at=NOON + timedelta(seconds=20))
    tags = frozenset({"owner:local", "retry-of:1", "schedule:2"})
    body = state(job("RUNNING", progress, tags=tags), "", None, 0, NOON + timedelta(seconds=22))
    assert (body["phase"], body["etaSeconds"]) == ("exporting", 21)
    assert body["heartbeatAt"] == "2024-07-19T12:00:20+00:00"
    assert (body["retryOf"], body["scheduleId"]) == ("1", "2")
    assert body["links"] == {
        "self": f"/exports/{JOB_ID}",
        "cancel": f"/exports/{JOB_ID}/cancel",
        "retry": None,
        "download": None,
        "manifest": None,
    }


@pytest.mark.parametrize(
    ("export_job", "phase"),
    [
        (job("SCHEDULED", RunProgress()), "waiting"),
        (job("RUNNING", RunProgress()), "counting"),
        (job("RUNNING", WHOLE), "verifying"),
        (job("CANCELLING", HALF), "cancelling"),
        (job("CANCELLED", HALF), None),
    ],
)
def test_each_phase_has_a_name(export_job: Job, phase: str | None) -> None:
    assert export_job.phase == phase


def test_the_state_of_a_failed_job_has_an_error_and_no_download() -> None:
    failure = state(failed("source.timeout", "Too long."), "", None, 0, NOON)
    assert failure["error"] == {"code": "source.timeout", "retryable": False, "message": "Too long."}
    assert failure["links"]["download"] is None
    assert failure["file"] is None
