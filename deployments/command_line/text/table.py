"""Print rows to stdout as a table or as JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Output to a file or pipe has no width limit, so nothing is truncated.
UNLIMITED_WIDTH = 10_000
ID_WIDTH = 36
NUMERIC_HEADINGS = ("ROWS", "SIZE")


def print_json(items: Any) -> None:
    sys.stdout.write(f"{json.dumps(items, indent=2, ensure_ascii=False)}\n")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in NUMERIC_HEADINGS else "left",
            no_wrap=heading != "NAME",
            min_width=ID_WIDTH if heading == "ID" else None,  # a truncated id is useless
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else UNLIMITED_WIDTH
    Console(width=width, highlight=False).print(table)
