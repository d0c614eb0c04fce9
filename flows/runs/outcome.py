"""Describe how a run ended, as reported by the API and webhooks."""

import re
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


_PREFECT_NAMES = frozenset({"Completed", "Failed", "Crashed", "Cancelled", "Cancelling"})
_CODED = re.compile(r"(?P<code>[a-z]+(\.[a-z]+)?): (?P<message>.*)", re.DOTALL)
NO_ROWS = JobError(NoRows.code, False, str(NoRows()))
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

    If the error is unknown, the message contains no details except the job's id.
    """
    code, message = code_and_message(state_name, state_message)
    error_class = errors_by_code().get(code)
    if error_class is not None and error_class.code != "internal":
        return JobError(error_class.code, error_class.retryable, message)
    if code == "request.invalid":
        return JobError(code, False, message)
    if state_type == "CRASHED":
        return JobError(WorkerLost.code, WorkerLost.retryable, WorkerLost.message)
    return JobError("internal", False, f"The export failed. Quote {job_id}.")


def code_and_message(name: str, message: str) -> tuple[str, str]:
    """Return the code and the message of a final state. The code is empty if the state has none.

    Earlier versions stored the code as the state's name.
    """
    if name and name not in _PREFECT_NAMES:
        return NoRows.code if name == NoRows.earlier_state_name else name, message
    coded = _CODED.fullmatch(message)
    return (coded["code"], coded["message"]) if coded is not None else ("", message)
