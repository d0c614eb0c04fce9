"""Final status of a run and its error, as the API and webhooks report them."""

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


@dataclass(frozen=True)
class Outcome:
    """`receipt` is set if the status is `done`, and `error` if it is not."""

    job_id: str
    schedule_id: str | None
    request: Mapping[str, Any]
    ended_at: datetime
    status: Literal["done", "error", "cancelled"]
    receipt: Receipt | None
    error: JobError | None


def job_error(job_id: str, state_type: str, state_name: str, state_message: str) -> JobError:
    """Return the error of a failed run. An unknown one names only the job's id."""
    known = errors_by_code().get(state_name)
    if known is not None and known.code != "internal":
        return JobError(known.code, known.retryable, state_message)
    if state_name == "request.invalid":
        return JobError("request.invalid", False, state_message)
    if state_type == "CRASHED":
        return JobError(WorkerLost.code, WorkerLost.retryable, WorkerLost.message)
    return JobError("internal", False, f"The export failed. Quote {job_id}.")
