"""What an operator reads about an export on the run's page in the Prefect UI. Pure."""

import csv
import html
import io
import json
from itertools import islice

from flows.formats.csv_options import Dialect
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.runs.receipt import Receipt

FirstRows = list[list[str]]

ROWS, COLUMNS, CELL_LENGTH = 5, 8, 60
# The reader's own limit is 128 KiB; cells of ours have none.
csv.field_size_limit(2**31 - 1)


def first_rows(records: bytes, columns: list[OutputColumn], dialect: Dialect) -> FirstRows:
    """The labels and a few rows, cut short; what is about a person is not shown."""
    shown = columns[:COLUMNS]
    labels = [_short(column.label) for column in shown]
    found = csv.reader(io.StringIO(records.decode(), newline=""), delimiter=dialect.delimiter)
    return [labels, *(_row(cells, shown) for cells in islice(found, ROWS))]


def markdown(request: ExportRequest, receipt: Receipt, rows: FirstRows, download_url: str) -> str:
    facts = {
        "Rows": f"{receipt.rows:,}",
        "Bytes": f"{receipt.bytes:,}",
        "SHA-256": receipt.sha256,
        "Snapshot": receipt.snapshot_at,
        "Attempt": str(receipt.attempt),
    }
    asked = json.dumps(dict(request.body), indent=2, ensure_ascii=False).replace("`", "'")
    return "\n\n".join(
        [
            f"# {request.report.title}",
            f"[{receipt.name}]({download_url})",
            _table([["Receipt", ""], *map(list, facts.items())]),
            f"```json\n{asked}\n```",
            _table(rows),
        ]
    )


def _row(cells: list[str], columns: list[OutputColumn]) -> list[str]:
    return ["•••" if column.pii else _short(cell) for cell, column in zip(cells, columns, strict=False)]


def _short(cell: str) -> str:
    return cell if len(cell) <= CELL_LENGTH else cell[: CELL_LENGTH - 1] + "…"


def _table(rows: list[list[str]]) -> str:
    head, *body = [[_cell(text) for text in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text as nothing but text, in one line."""
    escaped = html.escape(" ".join(text.split())).replace("|", "&#124;")
    return "".join("\\" + char if char in "\\`*_[]~" else char for char in escaped)
