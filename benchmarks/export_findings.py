"""What benchmarks/export.py finds out, and the ratios in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.export_ways import LIMIT
from benchmarks.measured_process import Measurement


@dataclass(frozen=True)
class Place:
    """Where the ways are comparable: one target, so many rows."""

    target: str
    rows: int


@dataclass
class Found:
    """One way at one place: its turns by round, or why there are none."""

    turns: dict[int, Measurement] = field(default_factory=dict)
    stored_bytes: int = 0
    failure: str = ""

    @property
    def seconds(self) -> float:
        return median([turn.seconds for turn in self.turns.values()])

    @property
    def cpu_seconds(self) -> float:
        return median([turn.cpu_seconds for turn in self.turns.values()])

    @property
    def peak_mb(self) -> float:
        return max(turn.peak_bytes for turn in self.turns.values()) / 1e6


Findings = Mapping[Place, Mapping[str, Found]]


def ratio(findings: Findings, place: Place, way: str) -> float | None:
    """How fast against the limit; None where one of both has no turn."""
    found, limit = findings[place].get(way), findings[place].get(LIMIT)
    if not found or not limit or not found.turns or not limit.turns:
        return None
    return limit.seconds / found.seconds
