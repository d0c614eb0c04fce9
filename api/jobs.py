"""A flow run as the job that a caller sees. Pure: run and progress in, bodies and headers out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flows.errors import WorkerLost, all_codes
from flows.receipt import Standing

Status = Literal["queued", "running", "finalizing", "done", "error", "cancelled"]

# What each status means, in one sentence: for the docs, and for people.
MEANINGS: Mapping[Status, str] = {
    "queued": "Accepted; waiting for a worker, or for the pause before another attempt.",
    "running": "A worker reads the rows and stores the file.",
    "finalizing": "The file is stored and is being verified.",
    "done": "The whole, verified file can be downloaded.",
    "error": "There is no file; `error` says why and whether another try can help.",
    "cancelled": "Somebody stopped it; there is no file.",
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
_LATER_PAUSES = ((10, 1), (30, 2), (120, 5))  # up to this age in seconds, ask again after so many
_LONGEST_PAUSE = 10


@dataclass(frozen=True)
class JobError:
    code: str
    retryable: bool
    message: str


@dataclass(frozen=True)
class Run:
    """What the API reads of a Prefect flow run."""

    id: str
    name: str
    state_type: str
    state_name: str
    state_message: str
    request: Mapping[str, Any]
    tags: frozenset[str]
    attempt: int
    attempts_left: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Job:
    run: Run
    standing: Standing

    @property
    def status(self) -> Status:
        status = _BY_STATE_TYPE[self.run.state_type]
        if self.run.state_type == "CRASHED" and self.run.attempts_left:
            return "queued"  # a worker will put it back
        if status == "running" and self.standing.receipt is not None:
            return "finalizing"
        if status == "done" and self.standing.receipt is None:
            return "error"
        return status

    @property
    def progress(self) -> int:
        return 100 if self.status == "done" else min(99, self.standing.percent)

    @property
    def finished(self) -> bool:
        return self.status in ("done", "error", "cancelled")

    @property
    def error(self) -> JobError | None:
        if self.status == "cancelled":
            return JobError("cancelled", True, "The export was cancelled.")
        if self.status != "error":
            return None
        known = all_codes().get(self.run.state_name)
        if known is not None and known.code != "internal":
            return JobError(known.code, known.worth_retry, self.run.state_message)
        if self.run.state_name == "request.invalid":
            return JobError("request.invalid", False, self.run.state_message)
        if self.run.state_type == "CRASHED":
            return JobError(WorkerLost.code, WorkerLost.worth_retry, WorkerLost.sentence)
        return JobError("internal", False, f"The export failed. Quote {self.run.id}.")


def frozen_body(job: Job, url: str | None) -> dict[str, Any]:
    """The poll's body as the article has it: not a key more, not a key less."""
    data: dict[str, Any] = {"status": "in-progress", "progress": job.progress}
    if job.status == "done":
        data = {"status": "done", "progress": 100, "url": url}
    elif job.error is not None:
        data = {"status": "error", "progress": job.progress, "error": job.error.message}
    return {"data": data, "status": 200}


def poll_headers(job: Job, now: datetime, stale: bool) -> dict[str, str]:
    headers = {
        "Cache-Control": "no-store",
        "X-Export-Status": export_status(job),
        "X-Progress": "waiting for a worker" if job.status == "queued" else job.standing.rows_text,
    }
    if stale:
        headers["Warning"] = '110 - "Response is Stale"'
    if not job.finished:
        headers["Retry-After"] = str(pause_seconds(job, now))
    return headers


def export_status(job: Job) -> str:
    """As FHIR Bulk Data's separate-export-status: 202 while it goes on, 200 done, 500 failed."""
    return {"done": "200", "error": "500", "cancelled": "500"}.get(job.status, "202")


def pause_seconds(job: Job, now: datetime) -> int:
    age = (now - job.run.created_at).total_seconds()
    return next((pause for limit, pause in _LATER_PAUSES if age < limit), _LONGEST_PAUSE)


def state(job: Job, base: str, time_zone: str, file: dict[str, Any] | None) -> dict[str, Any]:
    """The full state of `GET /exports/{id}`."""
    run, standing, error = job.run, job.standing, job.error
    here = f"{base}/exports/{run.id}"
    return {
        "id": run.id,
        "report": run.request.get("report", "survey-responses"),
        "name": run.request.get("name"),
        "status": job.status,
        "progress": job.progress,
        "rows": {"expected": standing.expected, "written": standing.written},
        "snapshotAt": standing.snapshot_at,
        "timeZone": time_zone,
        "request": dict(run.request),
        "attempt": run.attempt,
        "file": file,
        "error": error and {"code": error.code, "retryable": error.retryable, "message": error.message},
        "createdAt": run.created_at.isoformat(),
        "startedAt": run.started_at and run.started_at.isoformat(),
        "finishedAt": run.finished_at and run.finished_at.isoformat(),
        "links": {"self": here, "download": f"{here}/download" if job.status == "done" else None},
    }
