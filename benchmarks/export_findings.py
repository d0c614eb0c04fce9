"""Hold the results of benchmarks/export.py and compare each export method's speed with that of LIMIT."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.export_ways import LIMIT
from benchmarks.measured_process import Measurement


@dataclass(frozen=True)
class Scenario:
    """A target and a number of rows. Results are compared only within a scenario."""

    target: str
    rows: int


@dataclass
class Result:
    """The measurements of one export method in one scenario.

    `failure` says why the method could not be measured.
    """

    turns: dict[int, Measurement] = field(default_factory=dict)  # keyed by round
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


Findings = Mapping[Scenario, Mapping[str, Result]]  # each inner key is the name of a Way


def ratio(findings: Findings, scenario: Scenario, way: str) -> float | None:
    """Return the speed of an export method relative to the method named LIMIT.

    Return None if either method was not measured.
    """
    result, limit = findings[scenario].get(way), findings[scenario].get(LIMIT)
    if not result or not limit or not result.turns or not limit.turns:
        return None
    return limit.seconds / result.seconds
