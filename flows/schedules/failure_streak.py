"""Count the consecutive failures of a schedule, and describe the resulting pause."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from flows.errors import RightsGone
from flows.runs.outcome import JobError

FAILURES_UNTIL_PAUSE = 3
_FAILURES = "The last {} scheduled runs failed. Enable the schedule to resume it."
_RIGHTS = (
    "The access with which the schedule was created has been revoked. Restore the access and enable the"
    " schedule, or create the schedule again."
)

RunResult = Literal["done", "failed", "other"]


@dataclass(frozen=True)
class AutoPause:
    """A pause caused by failed runs, as stored in the `recurring` parameter.

    `at` is the time of the pause, and `since` is the time from which failures were counted. Both are in ISO
    8601 format. `code` and `message` describe the error of the last failed run. `export_id` is the id of that
    run.
    """

    at: str
    since: str
    failures: int
    export_id: str
    code: str
    message: str

    def as_parameter(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "since": self.since,
            "failures": self.failures,
            "exportId": self.export_id,
            "error": {"code": self.code, "message": self.message},
        }

    def as_body(self) -> dict[str, Any]:
        code, detail = "failures", _FAILURES.format(self.failures)
        if self.code == RightsGone.code:
            code, detail = "rights", _RIGHTS
        fields = {name: value for name, value in self.as_parameter().items() if name != "since"}
        return {"code": code, "detail": detail, **fields}


def parse_auto_pause(value: object) -> AutoPause:
    match value:
        case {
            "at": str(at),
            "since": str(since),
            "failures": int(failures),
            "exportId": str(export_id),
            "error": {"code": str(code), "message": str(message)},
        }:
            return AutoPause(at, since, failures, export_id, code, message)
    raise ValueError("must have the format in which the API stores a pause")


def failures_until_pause(error: JobError | None) -> int:
    """Return the number of consecutive failures after which a schedule is paused.

    One failure is enough if the caller no longer has access to the rows.
    """
    return 1 if error is not None and error.code == RightsGone.code else FAILURES_UNTIL_PAUSE


def count_failures(results: Iterable[RunResult]) -> int:
    """Count the failures since the last success.

    `results` starts with the most recent run. The result "other" counts as neither a failure nor a success.
    """
    failures = 0
    for result in results:
        if result == "done":
            break
        failures += result == "failed"
    return failures
