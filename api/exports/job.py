"""Derive a job's status, phase and error from its flow run, and build the responses to polls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flows.errors import NoRows
from flows.query.row_rights import Rights
from flows.runs.outcome import CANCELLED, FILE_LOST, NO_ROWS, JobError, code_and_message, job_error
from flows.runs.receipt import RunProgress
from flows.runs.tags import EXPIRED_TAG

Status = Literal["queued", "running", "finalizing", "done", "expired", "error", "cancelled"]
Phase = Literal["waiting", "counting", "exporting", "verifying", "cancelling"]

# The meaning of each status, as shown in the documentation.
MEANINGS: Mapping[Status, str] = {
    "queued": "Waiting for a worker, or for the next attempt.",
    "running": "A worker is reading the rows and storing the file.",
    "finalizing": "The file is stored and is being verified.",
    "done": "The file is complete, verified and ready to download.",
    "expired": "The file has expired and was removed.",
    "error": "The export failed. `error` contains the reason and whether a retry may succeed.",
    "cancelled": "The export was cancelled, or skipped because it had no rows.",
}
_BY_STATE_TYPE: Mapping[str, Status] = {
    "SCHEDULED": "queued",
    "PENDING": "queued",
    "PAUSED": "queued",
    "RUNNING": "running",
    "CANCELLING": "running",
    "COMPLETED": "done",
    "FAILED": "error",
    "CRASHED": "error",
    "CANCELLED": "cancelled",
}
_POLL_DELAYS = ((10, 1), (30, 2), (120, 5))  # (maximum age of the job, delay between polls) in seconds
_MAX_POLL_DELAY = 10


@dataclass(frozen=True)
class Run:
    """The parts of a Prefect flow run that the API uses. `report` is the name of the requested report."""

    id: str
    name: str
    state_type: str
    state_name: str
    state_message: str
    request: Mapping[str, Any]
    report: str
    masked: bool
    rights: Rights | None
    tags: frozenset[str]
    attempt: int
    attempts_left: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Job:
    run: Run
    progress: RunProgress
    file_lost: bool = False  # the file has disappeared from the storage (see StoredFiles)

    @property
    def status(self) -> Status:
        status = _BY_STATE_TYPE[self.run.state_type]
        if self.run.state_type == "CRASHED" and self.run.attempts_left:
            return "queued"  # a worker will retry it
        if status == "running" and self.progress.receipt is not None:
            return "finalizing"
        if status == "done" and self.had_no_rows:
            return "cancelled"
        if status == "done" and self.progress.receipt is None:
            return "error"
        if status == "done" and self.file_lost and EXPIRED_TAG not in self.run.tags:
            return "error"
        return "expired" if status == "done" and EXPIRED_TAG in self.run.tags else status

    @property
    def phase(self) -> Phase | None:
        """The current step, or None if the job has finished."""
        exporting: Phase = "counting" if self.progress.expected is None else "exporting"
        phases: dict[Status, Phase] = {"queued": "waiting", "running": exporting, "finalizing": "verifying"}
        return "cancelling" if self.run.state_type == "CANCELLING" else phases.get(self.status)

    @property
    def had_no_rows(self) -> bool:
        """True if the run found no rows and therefore created no file.

        This happens only if the run's schedule sets `onlyIfRows`.
        """
        code, _ = code_and_message(self.run.state_name, self.run.state_message)
        return code == NoRows.code

    @property
    def schedule_id(self) -> str | None:
        return self._tagged("schedule:")

    @property
    def retry_of(self) -> str | None:
        return self._tagged("retry-of:")

    def _tagged(self, prefix: str) -> str | None:
        return next((tag.removeprefix(prefix) for tag in self.run.tags if tag.startswith(prefix)), None)

    @property
    def percent(self) -> int:
        return 100 if self.status in ("done", "expired") else min(99, self.progress.percent)

    @property
    def finished(self) -> bool:
        return self.status in ("done", "expired", "error", "cancelled")

    @property
    def error(self) -> JobError | None:
        if self.had_no_rows:
            return NO_ROWS
        if self.status == "cancelled":
            return CANCELLED
        if self.status == "expired":
            return JobError("expired", True, "The file has expired and was removed.")
        if self.status != "error":
            return None
        if self.file_lost:
            return FILE_LOST
        run = self.run
        return job_error(run.id, run.state_type, run.state_name, run.state_message)


def frozen_body(job: Job, url: str | None) -> dict[str, Any]:
    """Return the response body for a poll of the frozen route. Its format never changes."""
    data: dict[str, Any] = {"status": "in-progress", "progress": job.percent}
    if job.status == "done":
        data = {"status": "done", "progress": 100, "url": url}
    elif job.error is not None:
        data = {"status": "error", "progress": job.percent, "error": job.error.message}
    return {"data": data, "status": 200}


def poll_headers(job: Job, now: datetime, stale: bool) -> dict[str, str]:
    headers = {
        "Cache-Control": "no-store",
        "X-Export-Status": export_status(job),
        "X-Progress": "waiting for a worker" if job.status == "queued" else job.progress.rows_text,
    }
    if stale:
        headers["Warning"] = '110 - "Response is Stale"'
    if not job.finished:
        headers["Retry-After"] = str(poll_delay_seconds(job, now))
    return headers


def export_status(job: Job) -> str:
    """Return the HTTP status that FHIR Bulk Data defines for the state of the job.

    The status is 202 until the job ends, 200 when it is done, 500 if it failed or was cancelled, and 410 if
    its file has expired.
    """
    statuses = {"done": "200", "expired": "410", "error": "500", "cancelled": "500"}
    return statuses.get(job.status, "202")


def poll_delay_seconds(job: Job, now: datetime) -> int:
    age = (now - job.run.created_at).total_seconds()
    return next((delay for limit, delay in _POLL_DELAYS if age < limit), _MAX_POLL_DELAY)


def eta_seconds(job: Job, now: datetime) -> int | None:
    """Estimate the remaining time from the average speed so far.

    Returns None if the job is not running or has not written any rows yet.
    """
    progress = job.progress
    if job.status != "running" or not progress.written or progress.expected is None:
        return None
    assert progress.snapshot_at is not None  # noqa: S101 - set together with `expected`
    elapsed = (now - datetime.fromisoformat(progress.snapshot_at)).total_seconds()
    return max(0, round(elapsed * (progress.expected - progress.written) / progress.written))
