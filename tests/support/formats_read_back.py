"""Compare the files of other formats with the CSV file of the same rows.

The CSV file is the reference, because other tests compare it with the table.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from flows.formats.csv.format import CsvFormat
from flows.formats.csv.options import CsvOptions
from flows.query.request import ExportRequest
from tests.support import csv_reader
from tests.support.column_strategies import QUESTIONS, REPORTS

Cells = list[list[str | None]]
WriteFile = Callable[[ExportRequest], bytes]


def csv_cells(write_file: WriteFile, request: ExportRequest) -> tuple[list[str], Cells]:
    """Return the column keys and the cells of the CSV file for the same request."""
    csv = replace(request, format=CsvFormat(), options=CsvOptions(header="keys"))
    return csv_reader.read(write_file(csv))


def compare_jsonl(content: bytes, keys: list[str], expected: Cells, types: dict[str, str]) -> None:
    """Fail unless the file contains the cells, and each value has the JSON type of its column."""
    lines = content.decode().split("\n")
    assert lines.pop() == ""
    rows = [_parse(line) for line in lines]
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        assert list(row) == keys
        for key, cell in zip(keys, cells, strict=True):
            assert _same(row[key], cell, types[key]), (key, row[key], cell)


class _Number(str):
    """A JSON number with the digits of the file."""

    __slots__ = ()


def _parse(line: str) -> dict[str, Any]:
    row = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_fail)
    assert isinstance(row, dict)
    return row


def _fail(constant: str) -> None:
    raise AssertionError(constant)


def _same(value: Any, cell: str | None, kind: str) -> bool:
    if cell is None:
        return value is None
    if kind == "json":
        return bool(value == _parse_document(cell))
    if kind in ("integer", "number") and Decimal(cell).is_finite():
        return isinstance(value, _Number) and value == cell
    if kind == "boolean":
        return value is {"true": True, "false": False}[cell]
    return type(value) is str and value == cell


def _parse_document(text: str) -> Any:
    return json.loads(text, parse_int=_Number, parse_float=_Number)


def column_types(table: Table) -> dict[str, str]:
    """Return the type of each column and question, by key."""
    questions = {f"answers.{key}": "string" for key in QUESTIONS}
    return {key: column.type for key, column in REPORTS[table].table_columns.items()} | questions
