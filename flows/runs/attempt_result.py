"""Result of this process's attempt, for the worker's metrics. Every attempt has its own process."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttemptResult:
    """`code` is `done`, `rows.none`, or the stable code of an error."""

    report: str
    code: str
    rows: int = 0
    bytes: int = 0


_last: list[AttemptResult] = []


def record(result: AttemptResult) -> None:
    _last[:] = [result]


def last() -> AttemptResult | None:
    """Return None if the flow has recorded no result."""
    return _last[0] if _last else None
