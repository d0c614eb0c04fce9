"""Convert the rows of a page to JSON values or to the text that an exported file would contain."""

import json
import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from flows.formats import cell_text
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import unpacked
from flows.rows.columns import OutputColumn
from flows.rows.json_documents import checked_depth
from flows.rows.transform import transform_chunk
from flows.sources import exact_types, sqlalchemy_rows
from flows.sources.postgresql import csv_expressions
from flows.sources.snapshot import Snapshot

Rows = Sequence[Sequence[Any]]
Items = list[dict[str, Any]]


class PageRows:
    """Selects and converts the rows of one page.

    PostgreSQL formats the cells exactly as COPY formats them in the file, unless Python has to transform
    them. `columns` contains the columns of the page, and `read` contains the columns that the transform
    needs.
    """

    def __init__(
        self,
        opened: Snapshot,
        request: ExportRequest,
        columns: Sequence[OutputColumn],
        read: Sequence[OutputColumn],
    ) -> None:
        self._request, self._columns, self._read = request, columns, read
        self._as_text = (
            opened.is_postgresql
            and request.report.transform is None
            and len(columns) <= csv_expressions.MAX_COLUMNS
        )

    def expressions(self) -> list[ColumnElement[Any]]:
        if self._as_text:
            return csv_expressions.texts(self._request, self._columns)
        return sqlalchemy_rows.expressions(self._read)

    def items(self, rows: Rows, cells: str) -> Items:
        """Convert each row to a dictionary that maps column keys to values.

        If `cells` is `text`, the values are formatted as in the file. If it is `json`, they are JSON values.
        """
        if not rows:
            return []
        values = rows if self._as_text else self._python_values(rows)
        convert = self._text if cells == "text" else self._json
        return [
            {column.key: convert(value, column) for column, value in zip(self._columns, row, strict=False)}
            for row in values
        ]

    def _python_values(self, rows: Rows) -> Rows:
        report, chunk = self._request.report, sqlalchemy_rows.chunk_of(rows, self._read)
        chunk = transform_chunk(chunk, self._read, report.transform, self._request.zone, report.file)
        values = chunk.first_columns(len(self._columns)).values
        return list(zip(*map(unpacked, values), strict=True))

    def _text(self, value: Any, column: OutputColumn) -> str | None:
        return cell_text.cell_text(value, column, self._request.zone)

    def _json(self, value: Any, column: OutputColumn) -> Any:
        if isinstance(value, str):
            return json_of_text(value, column) if self._as_text or column.type == "json" else value
        if isinstance(value, float) and not math.isfinite(value):
            return self._text(value, column)
        if isinstance(value, Decimal | datetime | date | time | UUID | bytes):
            return self._text(value, column)
        return value


def json_of_text(text: str, column: OutputColumn) -> Any:
    """Return the cell as a JSON value, or as text if JSON cannot represent it."""
    parse = _PARSERS.get(column.type)
    if parse is None or not exact_types.is_standard(column.expression.type):
        return text
    try:
        return parse(text, column)
    except (ValueError, RecursionError):
        return text


def _boolean(text: str, column: OutputColumn) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _number(text: str, column: OutputColumn) -> Any:
    if getattr(column.expression.type, "asdecimal", True):
        return text
    number = float(text)
    return number if math.isfinite(number) else text


def _document(text: str, column: OutputColumn) -> Any:
    document = checked_depth(json.loads(text))
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    return document


_PARSERS: dict[str, Callable[[str, OutputColumn], Any]] = {
    "boolean": _boolean,
    "integer": lambda text, column: int(text),
    "number": _number,
    "json": _document,
}
