"""Write the summary of an export that operators see on the run's page in the Prefect UI."""

import csv
import html
import io
import json
from itertools import islice

from flows.formats.csv.options import CsvOptions
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.runs.receipt import Receipt

FirstRows = list[list[str]]

ROWS, COLUMNS, CELL_LENGTH = 5, 8, 60
# The csv module limits cells to 128 KiB by default, but the cells of an export can be larger.
csv.field_size_limit(2**31 - 1)


def first_rows(records: bytes, columns: list[OutputColumn], dialect: CsvOptions) -> FirstRows:
    """Return the labels and the first rows. Cells are truncated and personal data is masked."""
    columns = columns[:COLUMNS]
    labels = [_truncate(column.label) for column in columns]
    rows = csv.reader(io.StringIO(records.decode(), newline=""), delimiter=dialect.delimiter)
    return [labels, *(_row(cells, columns) for cells in islice(rows, ROWS))]


def markdown(request: ExportRequest, receipt: Receipt, rows: FirstRows, download_url: str) -> str:
    receipt_rows = {
        "Rows": f"{receipt.rows:,}",
        "Bytes": f"{receipt.bytes:,}",
        "SHA-256": receipt.sha256,
        "Snapshot": receipt.snapshot_at,
        "Attempt": str(receipt.attempt),
    }
    body = json.dumps(dict(request.body), indent=2, ensure_ascii=False).replace("`", "'")
    return "\n\n".join(
        [
            f"# {request.report.title}",
            f"[{receipt.name}]({download_url})",
            _table([["Receipt", ""], *map(list, receipt_rows.items())]),
            f"```json\n{body}\n```",
            _table(rows),
        ]
    )


def _row(cells: list[str], columns: list[OutputColumn]) -> list[str]:
    return ["•••" if column.pii else _truncate(cell) for cell, column in zip(cells, columns, strict=False)]


def _truncate(cell: str) -> str:
    return cell if len(cell) <= CELL_LENGTH else cell[: CELL_LENGTH - 1] + "…"


def _table(rows: list[list[str]]) -> str:
    head, *body = [[_cell(text) for text in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return the text on a single line, with HTML and Markdown escaped."""
    escaped = html.escape(" ".join(text.split())).replace("|", "&#124;")
    return "".join("\\" + char if char in "\\`*_[]~" else char for char in escaped)
