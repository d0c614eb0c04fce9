"""Print benchmark results as tables, followed by one JSON object on the last line."""

import json
import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import Any


def print_line(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cells = [[_format_cell(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        first, *rest = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print_line("  ".join([first, *rest]))


def print_result(**fields: Any) -> None:
    print_line(json.dumps(fields))


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def _format_cell(cell: Any) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)
