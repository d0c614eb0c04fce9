"""PostgreSQL's own records as typed columns, for a report with a `transform`: no Python value a cell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyarrow import csv
from sqlalchemy import Float, LargeBinary, Numeric, PickleType, Select, Time
from sqlalchemy.types import TypeEngine

from flows.formats.cell_text import READ_JSON
from flows.formats.csv_options import PRESETS
from flows.formats.csv_text import BYTE_ORDER_MARK
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import MOMENT, TEXT, Values
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk, Records
from flows.sources import exact_types
from flows.sources.postgresql import copy_rows
from flows.sources.snapshot import Snapshot

_T = TypeVar("_T")
_FORMAT = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


def can_read(taken: Snapshot, columns: Sequence[OutputColumn]) -> bool:
    """Whether these are PostgreSQL's columns, not too many, of types whose texts have one meaning."""
    fits = len(columns) < copy_rows.MOST_COLUMNS
    return taken.is_postgresql and fits and all(_has_one_meaning(each.expression.type) for each in columns)


def _has_one_meaning(kind: TypeEngine[Any]) -> bool:
    """A type of somebody's own may make anything of a value; floats may be asked for as decimals."""
    is_sqlalchemys = type(kind).__module__.startswith("sqlalchemy.") and not isinstance(kind, PickleType)
    return is_sqlalchemys and not (isinstance(kind, Numeric) and kind.asdecimal is isinstance(kind, Float))


def fetch(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> Iterator[Chunk]:
    """No chunk crosses a file's last row."""
    plain = replace(request, dialect=replace(PRESETS["plain"], split_rows=request.dialect.split_rows))
    for block in copy_rows.fetch(taken, select_rows(plain, columns), plain.dialect):
        yield chunk_of(block, columns, request.zone)


def select_rows(request: ExportRequest, columns: Sequence[OutputColumn]) -> Select[Any]:
    """The report's key comes last, for errors."""
    key = OutputColumn("key", "", "string", False, exact_types.text_of(request.report.key))
    return copy_rows.select_rows(request, [*columns, key])


def chunk_of(block: Records, columns: Sequence[OutputColumn], zone: ZoneInfo) -> Chunk:
    *texts, keys = _columns(block.data, len(columns) + 1)
    read = [_typed(each, column, zone) for each, column in zip(texts, columns, strict=True)]
    return Chunk(read, keys)


def _columns(data: bytes, count: int) -> list[pa.Array]:
    """Of texts. NULL is what is empty and not quoted."""
    if data.startswith(BYTE_ORDER_MARK):  # a value's own; the reader drops one
        data = BYTE_ORDER_MARK + data
    names = [str(number) for number in range(count)]
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        _FORMAT,
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, TEXT),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _typed(texts: pa.Array, column: OutputColumn, zone: ZoneInfo) -> Values:
    """What Arrow has no exact type for comes as Python's values."""
    kind = column.expression.type
    if column.question is not None or (isinstance(kind, Time) and kind.timezone):
        return texts
    if isinstance(kind, LargeBinary):
        return _each(texts, lambda text: bytes.fromhex(text[2:]))
    if column.type == "number" and not isinstance(kind, Float):
        return _each(texts, Decimal)
    if column.type == "date-time" and column.zoned:
        return _cast(texts, pa.timestamp("us", "UTC"), partial(_moment, zone=zone))
    arrow, read_one = _TYPES.get(column.type, (TEXT, str))
    return _each(texts, read_one) if arrow is None else _cast(texts, arrow, read_one)


def _cast(texts: pa.Array, kind: pa.DataType, read_one: Callable[[str], Any]) -> Values:
    """One by one where Arrow cannot hold each of them."""
    try:
        found = texts.cast(kind)
    except ValueError:
        return _each(texts, read_one)
    return found.cast(MOMENT) if pa.types.is_timestamp(kind) else found


def _each(texts: pa.Array, read_one: Callable[[str], _T]) -> list[_T | str | None]:
    return [None if text is None else _or_text(text, read_one) for text in texts.to_pylist()]


def _or_text(text: str, read_one: Callable[[str], _T]) -> _T | str:
    """As it is where Python has no such value, such as an infinite date."""
    try:
        return read_one(text)
    except (ValueError, ArithmeticError):
        return text


def _moment(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).astimezone(zone)


# By the column's type: Arrow's, and what reads one text where that does not hold it, or where there is none.
_TYPES: dict[str, tuple[pa.DataType | None, Callable[[str], Any]]] = {
    "integer": (pa.int64(), int),
    "boolean": (pa.bool_(), str),
    "number": (pa.float64(), float),
    "date": (pa.date32(), date.fromisoformat),
    "date-time": (MOMENT, datetime.fromisoformat),
    "time": (None, time.fromisoformat),
    "json": (None, READ_JSON),
}
