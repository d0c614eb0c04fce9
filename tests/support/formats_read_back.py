"""Compare JSON Lines, Parquet and XLSX files with a CSV file that contains the same rows.

The CSV file is the reference, because other tests compare it with the table.
"""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pyarrow as pa
from pyarrow import parquet
from sqlalchemy import Table

from flows.formats.csv.format import CsvFormat
from flows.formats.csv.options import CsvOptions
from flows.query.request import ExportRequest
from tests.support import csv_reader
from tests.support.column_strategies import QUESTIONS, REPORTS

Cells = list[list[str | None]]
WriteFile = Callable[[ExportRequest], bytes]


def csv_cells(write_file: WriteFile, request: ExportRequest) -> tuple[list[str], Cells]:
    """Export the request as CSV, and return the column keys and the cells."""
    csv = replace(request, format=CsvFormat(), options=CsvOptions(header="keys"))
    return csv_reader.read(write_file(csv))


def compare_jsonl(content: bytes, keys: list[str], expected: Cells, types: dict[str, str]) -> None:
    """Fail unless the file contains the expected cells and each value has the JSON type of its column."""
    lines = content.decode().split("\n")
    assert lines.pop() == ""
    rows = [_parse(line) for line in lines]
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        assert list(row) == keys
        for key, cell in zip(keys, cells, strict=True):
            assert _same(row[key], cell, types[key]), (key, row[key], cell)


class _Number(str):
    """A JSON number exactly as written in the file."""

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


def compare_parquet(
    content: bytes, keys: list[str], expected: Cells, lists: dict[str, list[Any]] | None = None
) -> None:
    """Fail unless Arrow, DuckDB and Polars all read the expected cells.

    `lists` contains the expected values of the list columns. Decimals of more than 38 digits are read by
    Arrow only: Polars does not read them, and DuckDB reads them as floats.
    """
    table = parquet.read_table(pa.BufferReader(content))
    _compare_table(table, keys, expected, lists or {})
    numbers = [n for n, field in enumerate(table.schema) if not pa.types.is_decimal256(field.type)]
    readable = [keys[number] for number in numbers]
    cells = [[row[number] for number in numbers] for row in expected]
    for read in (_by_polars, _by_duckdb):
        _compare_table(read(content, readable), readable, cells, lists or {})


def _by_polars(content: bytes, keys: list[str]) -> pa.Table:
    return pl.read_parquet(content, columns=keys).to_arrow()


def _by_duckdb(content: bytes, keys: list[str]) -> pa.Table:
    columns = ", ".join('"' + key.replace('"', '""') + '"' for key in keys)
    with NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as duck:
        Path(file.name).write_bytes(content)
        return duck.read_parquet(file.name).project(columns).to_arrow_table()


def _compare_table(table: pa.Table, keys: list[str], expected: Cells, lists: dict[str, list[Any]]) -> None:
    assert table.column_names == keys
    assert table.num_rows == len(expected)
    for number, field in enumerate(table.schema):
        values = table.column(number)
        cells = [row[number] for row in expected]
        if _is_list(field.type):
            assert _as_utc(values).to_pylist() == lists[field.name], field.name
        else:
            parse = _parser(field.type)
            expected_values = [None if cell is None else parse(cell) for cell in cells]
            # Compare strings, because NaN is not equal to itself and -0.0 equals 0.0.
            assert list(map(str, _as_utc(values).to_pylist())) == list(map(str, expected_values)), field.name


def compare_xlsx(content: bytes, keys: list[str], expected: Cells, types: dict[str, str]) -> None:
    """Fail unless the first sheet contains the expected cells and its header shows the column keys."""
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    header, *rows = sheet.iter_rows(max_col=len(keys), values_only=True)
    assert [name.partition(" (")[0] for name in header] == keys
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        for key, value, cell in zip(keys, row, cells, strict=True):
            assert _same_in_sheet(value, cell, types[key]), (key, value, cell)


def _same_in_sheet(value: Any, cell: str | None, kind: str) -> bool:
    if cell is None or value is None:
        return value is cell
    if isinstance(value, str):
        return _decoded(value) == cell and not _fits_a_sheet(cell, kind)
    if isinstance(value, bool):
        return kind == "boolean" and cell == str(value).lower()
    if isinstance(value, datetime):
        # openpyxl rounds to milliseconds.
        return abs(value - datetime.fromisoformat(cell).replace(tzinfo=None)) <= timedelta(milliseconds=1)
    if isinstance(value, float):  # Different strings may represent the same float.
        return kind == "number" and value == float(cell)
    return kind in ("integer", "number") and Decimal(value) == Decimal(cell)


def _fits_a_sheet(cell: str, kind: str) -> bool:
    """Return whether a worksheet must store this value as a number, boolean or date instead of text."""
    if kind in ("integer", "number"):
        return Decimal(cell).is_finite() and len(re.sub(r"^-?0?\.?0*|\.", "", cell)) <= 15
    return kind == "boolean" or (kind in ("date", "date-time") and "1900-03-03" < cell < "9999-12-28")


def _decoded(text: str) -> str:
    return re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match.group(1), 16)), text)


def _as_utc(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_timestamp(kind) and kind.tz:
        return values.cast(pa.timestamp("us", "UTC"))
    if _is_list(kind) and pa.types.is_timestamp(kind.value_type):
        return values.cast(pa.list_(pa.timestamp("us", "UTC")))
    return values


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _parser(kind: pa.DataType) -> Callable[[str], Any]:
    if pa.types.is_decimal(kind):
        return lambda text: Decimal(text).quantize(Decimal(1).scaleb(-kind.scale), context=_MANY_DIGITS)
    if pa.types.is_timestamp(kind):
        return _utc_timestamp if kind.tz else datetime.fromisoformat
    return _PARSERS.get(kind, str)


def _utc_timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_MANY_DIGITS = Context(prec=76)
_PARSERS: dict[pa.DataType, Callable[[str], Any]] = {
    pa.int64(): int,
    pa.float64(): float,
    pa.bool_(): {"true": True, "false": False}.__getitem__,
    pa.date32(): date.fromisoformat,
    pa.time64("us"): time.fromisoformat,
    pa.time64("ns"): time.fromisoformat,
    pa.binary(): lambda text: bytes.fromhex(text.removeprefix("\\x")),
    pa.large_binary(): lambda text: bytes.fromhex(text.removeprefix("\\x")),
}


def column_types(table: Table) -> dict[str, str]:
    """Map the keys of all columns and questions to their types."""
    questions = {f"answers.{key}": "string" for key in QUESTIONS}
    return {key: column.type for key, column in REPORTS[table].table_columns.items()} | questions
