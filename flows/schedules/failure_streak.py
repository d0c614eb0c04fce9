"""When a recurring export that fails again and again is paused, and what is kept of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

FAILURES_UNTIL_PAUSE = 3

RunResult = Literal["done", "failed", "other"]


@dataclass(frozen=True)
class AutoPause:
    """Part of the parameter `recurring`. `since` is where the failures were counted from, `at` is ISO 8601;
    `code` and `message` are those of the last one, which was `export_id`."""

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
        detail = f"Its last {self.failures} planned runs failed. It goes on when it is enabled again."
        shown = {name: value for name, value in self.as_parameter().items() if name != "since"}
        return {"code": "failures", "detail": detail, **shown}


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
    raise ValueError("must be as the pause has written it")


def count_failures(ends: Iterable[RunResult]) -> int:
    """The newest first. A run that was cancelled, or that nobody planned, counts neither way."""
    found = 0
    for end in ends:
        if end == "done":
            break
        found += end == "failed"
    return found
