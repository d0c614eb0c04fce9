"""Record the result of an attempt for the worker's metrics.

A process executes one attempt at a time, so the result is stored in a module variable.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt. `code` is `done`, or the reason why there is no file."""

    report: str
    code: str
    rows: int = 0
    bytes: int = 0


_last: list[AttemptResult] = []


def record(result: AttemptResult) -> None:
    _last[:] = [result]


def clear() -> None:
    _last.clear()


def last() -> AttemptResult | None:
    """Return the result that was recorded last, or None if there is none."""
    return _last[0] if _last else None
