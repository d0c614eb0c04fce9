"""Collect the results of the guarantee tests, and write them to docs/guarantees.md."""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
BEGIN, END = "<!-- figures: written by make test-faults -->", "<!-- end of the figures -->"
FIGURES = ("Guarantee", "Seed", "Tries", "Violations", "Figure", "Control, noticed")
RUNS = ("Date", "Seed", "Tries", "Violations")
_RUN = re.compile(r"^\| \d{4}-\d\d-\d\d \|.*$", re.MULTILINE)
_FIGURE = re.compile(r"^\| (G\d+: [^|]+) \|.*$", re.MULTILINE)


@dataclass(frozen=True)
class Figure:
    """The result of a test. `control` describes a deliberate violation that the test must notice."""

    guarantee: str
    tries: int
    violations: int
    figure: str
    control: str

    def row(self, seed: int) -> str:
        return _row(self.guarantee, str(seed), self.tries, self.violations, self.figure, self.control)


@dataclass
class GuaranteeTable:
    """The results of one run. A run with the same `seed` makes the same random choices."""

    seed: int
    figures: list[Figure] = field(default_factory=list)

    def add(
        self, guarantee: str, tries: int, violations: int, figure: str, control: str, is_noticed: bool
    ) -> None:
        """Add a row, and fail unless the test has noticed the violation that `control` describes."""
        self.figures.append(Figure(guarantee, tries, violations, figure, control))
        print(f"{guarantee}: {tries} tries, {violations} violations; {figure}")  # noqa: T201
        assert is_noticed, f"{guarantee}: the test does not notice a violation: {control}"

    def write(self, today: date, document: Path = DOCUMENT) -> None:
        """Update the row for each guarantee that was tested, and add a row for this run."""
        before, _, rest = document.read_text().partition(BEGIN)
        old, _, after = rest.partition(END)
        document.write_text(f"{before}{BEGIN}\n{self._text(old, today)}\n{END}{after}")

    def _text(self, old: str, today: date) -> str:
        rows = {match[1]: match[0] for match in _FIGURE.finditer(old)}
        rows |= {figure.guarantee: figure.row(self.seed) for figure in self.figures}
        figures = [rows[guarantee] for guarantee in sorted(rows, key=_number)]
        tries = sum(figure.tries for figure in self.figures)
        violations = sum(figure.violations for figure in self.figures)
        run = _row(today.isoformat(), str(self.seed), tries, violations)
        tables = [_head(FIGURES), *figures, "", "All runs:", "", _head(RUNS), *_RUN.findall(old), run]
        return "\n".join(tables)


def _number(guarantee: str) -> int:
    return int(guarantee.partition(":")[0].removeprefix("G"))


def _head(names: tuple[str, ...]) -> str:
    return f"{_row(*names)}\n|{'---|' * len(names)}"


def _row(*cells: str | int) -> str:
    texts = [f"{cell:,}" if isinstance(cell, int) else cell for cell in cells]
    return f"| {' | '.join(texts)} |"
