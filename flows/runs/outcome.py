"""How a run has ended, in the words that callers get. Pure."""

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
    """`request` is that of the run; a receipt is there when it is done, an error when it is not."""

    job_id: str
    schedule_id: str | None
    request: Mapping[str, Any]
    ended_at: datetime
    status: Literal["done", "error", "cancelled"]
    receipt: Receipt | None
    error: JobError | None


def failure(job_id: str, state_type: str, state_name: str, state_message: str) -> JobError:
    """Why a run that has failed has no file; what has no code of its own says no more than the id."""
    known = errors_by_code().get(state_name)
    if known is not None and known.code != "internal":
        return JobError(known.code, known.retryable, state_message)
    if state_name == "request.invalid":
        return JobError("request.invalid", False, state_message)
    if state_type == "CRASHED":
        return JobError(WorkerLost.code, WorkerLost.retryable, WorkerLost.message)
    return JobError("internal", False, f"The export failed. Quote {job_id}.")
