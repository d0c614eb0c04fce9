"""How the attempt of this process has ended, for whoever counts attempts. A run has a process of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttemptResult:
    """`code` is `done`, `rows.none`, or the stable code of a failure."""

    report: str
    code: str
    rows: int = 0
    bytes: int = 0


_last: list[AttemptResult] = []


def record(ended: AttemptResult) -> None:
    _last[:] = [ended]


def last() -> AttemptResult | None:
    """None where the flow tells none."""
    return _last[0] if _last else None
