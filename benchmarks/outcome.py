"""How every benchmark says what it found: a table, and as the last line one JSON object."""

import json
import sys
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cells = [[_text(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        first, *rest = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        say("  ".join([first, *rest]))


def last_line(**facts: Any) -> None:
    say(json.dumps(facts))


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def _text(cell: Any) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)
