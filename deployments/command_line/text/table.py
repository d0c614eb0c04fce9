"""Rows on stdout: as a table for people, as JSON for scripts."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A file that is piped on is not cut to anybody's screen.
NO_SCREEN_WIDTH = 10_000
ID_WIDTH = 36
NUMBERS = ("ROWS", "SIZE")


def print_json(items: Sequence[Any]) -> None:
    sys.stdout.write(f"{json.dumps(items, indent=2, ensure_ascii=False)}\n")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in NUMBERS else "left",
            no_wrap=heading != "NAME",
            min_width=ID_WIDTH if heading == "ID" else None,  # half an id is of no use
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else NO_SCREEN_WIDTH
    Console(width=width, highlight=False).print(table)
