"""Write the summary of an export that operators see on the run's page in the Prefect UI."""

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, cast

from flows.formats.csv.options import CsvOptions
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.runs.receipt import Receipt

FirstRows = list[list[str]]

ROWS, COLUMNS, CELL_LENGTH = 5, 8, 60
_COLUMNS_START, _COLUMNS_END = "\n\n## Columns\n\n```json\n", "\n```"
# The csv module limits cells to 128 KiB by default, but the cells of an export can be larger.
csv.field_size_limit(2**31 - 1)


def first_rows(records: bytes, columns: list[OutputColumn], dialect: CsvOptions) -> FirstRows:
    """Return the labels and the first rows. Cells are truncated and personal data is masked."""
    columns = columns[:COLUMNS]
    labels = [_truncate(column.label) for column in columns]
    rows = csv.reader(io.StringIO(records.decode(), newline=""), delimiter=dialect.delimiter)
    return [labels, *(_row(cells, columns) for cells in islice(rows, ROWS))]


def markdown(
    request: ExportRequest,
    receipt: Receipt,
    rows: FirstRows,
    columns: Sequence[OutputColumn],
    urls: Mapping[str, str],
) -> str:
    """Return the page for an export that has a file. `urls` maps titles such as `Download` to URLs.

    The page ends with the columns, which `parse_columns` reads.
    """
    receipt_rows = {
        "Rows": f"{receipt.rows:,}",
        "Bytes": f"{receipt.bytes:,}",
        "SHA-256": receipt.sha256,
        "Snapshot": receipt.snapshot_at,
        "Attempt": str(receipt.attempt),
    }
    body = json.dumps(dict(request.body), indent=2, ensure_ascii=False).replace("`", "'")
    page = "\n\n".join(
        [
            f"# {request.report.title}",
            f"[{receipt.name}]({urls['Download']})",
            _links(urls),
            _table([["Receipt", ""], *map(list, receipt_rows.items())]),
            f"```json\n{body}\n```",
            _table(rows),
        ]
    )
    return page + _COLUMNS_START + _columns_json(columns) + _COLUMNS_END


def parse_columns(page: str) -> list[dict[str, Any]] | None:
    """Return the columns at the end of a page, or None if the page has none."""
    _, start, columns = page.rpartition(_COLUMNS_START)
    return cast("list[dict[str, Any]]", json.loads(columns.removesuffix(_COLUMNS_END))) if start else None


def _columns_json(columns: Sequence[OutputColumn]) -> str:
    """Return the columns as JSON with one line per column.

    No line starts with a backtick or a heading, so labels cannot end the code block.
    """
    lines = [
        json.dumps({"key": column.key, "label": column.label, "type": column.type}, ensure_ascii=False)
        for column in columns
    ]
    return "[" + ",\n ".join(lines) + "]"


def failure_markdown(report: str, code: str, message: str, urls: Mapping[str, str], docs_url: str) -> str:
    """Return the page for an export that has no file. It links to the documentation of the error code."""
    section = f"docs/operations.md#{code.replace('.', '')}"
    help_text = f"[{section}]({docs_url}/{section.removeprefix('docs/')})" if docs_url else f"`{section}`"
    return "\n\n".join(
        [
            f"# {_cell(report)}: {code}",
            _cell(message),
            f"What to do: {help_text}",
            _links(urls),
        ]
    )


def _links(urls: Mapping[str, str]) -> str:
    return " · ".join(f"[{title}]({url})" for title, url in urls.items())


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
