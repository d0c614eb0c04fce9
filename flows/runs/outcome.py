"""Describe how a run ended, as reported by the API and webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flows.errors import NoRows, WorkerLost, errors_by_code
from flows.runs.receipt import Receipt


@dataclass(frozen=True)
class JobError:
    code: str
    retryable: bool
    message: str


NO_ROWS = JobError("rows.none", False, str(NoRows()))
CANCELLED = JobError("cancelled", True, "The export was cancelled.")
FILE_LOST = JobError("storage.lost", True, "The file is no longer in the storage. Start the export again.")


@dataclass(frozen=True)
class Outcome:
    """The final status of a run. `receipt` is set if the status is `done`; `error` is set otherwise."""

    job_id: str
    schedule_id: str | None
    request: Mapping[str, Any]
    ended_at: datetime
    status: Literal["done", "error", "cancelled"]
    receipt: Receipt | None
    error: JobError | None


def job_error(job_id: str, state_type: str, state_name: str, state_message: str) -> JobError:
    """Return the error of a failed run.

    For an unknown error, the message contains only the job's id.
    """
    error_class = errors_by_code().get(state_name)
    if error_class is not None and error_class.code != "internal":
        return JobError(error_class.code, error_class.retryable, state_message)
    if state_name == "request.invalid":
        return JobError("request.invalid", False, state_message)
    if state_type == "CRASHED":
        return JobError(WorkerLost.code, WorkerLost.retryable, WorkerLost.message)
    return JobError("internal", False, f"The export failed. Quote {job_id}.")
