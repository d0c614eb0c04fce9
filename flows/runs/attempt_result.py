"""How the attempt of this process has ended, for whoever counts attempts. A run has a process of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttemptEnd:
    """`code` is `done`, `rows.none`, or the stable code of a failure."""

    report: str
    code: str
    rows: int = 0
    bytes: int = 0


_last: list[AttemptEnd] = []


def leave(ended: AttemptEnd) -> None:
    _last[:] = [ended]


def left() -> AttemptEnd | None:
    """None where the flow tells none."""
    return _last[0] if _last else None
