"""Choose the Parquet type of each column from its SQL type."""

import json
from typing import Any

import pyarrow as pa
from sqlalchemy import ARRAY, Cast, Column, ColumnElement, Float, Label, LargeBinary, Numeric, Time
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from flows.formats.protocol import Output
from flows.rows.columns import OutputColumn, type_name

_MAX_DIGITS_128, _MAX_DIGITS = 38, 76
_TYPES = {
    "integer": pa.int64(),  # SQLite can store a 64-bit value in any integer column.
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


def schema(output: Output) -> pa.Schema:
    """Return the schema of the file. The metadata of each field contains the column's label."""
    fields = [
        pa.field(column.key, column_type(column, output.zone.key), metadata={"label": column.label})
        for column in output.columns
    ]
    request = json.dumps(dict(output.request), ensure_ascii=False)
    snapshot = output.snapshot_at.isoformat()
    return pa.schema(fields, {"title": output.title, "snapshotAt": snapshot, "request": request})


def column_type(column: OutputColumn, zone: str) -> pa.DataType:
    if column.question is not None:
        return pa.large_string() if column.question.selected is None else pa.int64()
    return _type(column.type, column.expression.type, column.expression, zone)


def _type(name: str, kind: TypeEngine[Any], expression: ColumnElement[Any] | None, zone: str) -> pa.DataType:
    if name in _TYPES:
        is_unsigned = name == "integer" and getattr(kind, "unsigned", False)
        return pa.uint64() if is_unsigned else _TYPES[name]
    if name == "number":
        return _number_type(kind, expression)
    if name == "date-time":
        return pa.timestamp("us", zone if getattr(kind, "timezone", False) else None)
    if name == "time" and isinstance(kind, Time) and not kind.timezone and not isinstance(kind, mysql.TIME):
        return pa.time64("us")
    return _text_type(kind, zone)


def _text_type(kind: TypeEngine[Any], zone: str) -> pa.DataType:
    if isinstance(kind, LargeBinary):
        return pa.large_binary()
    if isinstance(kind, ARRAY):
        return _list_type(kind, zone)
    return pa.large_string()


def _list_type(kind: ARRAY[Any], zone: str) -> pa.DataType:
    item = _type(type_name(kind.item_type), kind.item_type, None, zone)
    for _ in range(kind.dimensions or 1):
        item = pa.list_(item)
    return item


def _number_type(kind: Any, expression: ColumnElement[Any] | None) -> pa.DataType:
    """Return float64 for floats.

    For other numbers, return a decimal type if their maximum number of digits is known and small enough, and
    string otherwise. The result of an expression, such as a sum, may have more digits than the columns it is
    computed from.
    """
    if isinstance(kind, Float) or not isinstance(kind, Numeric) or not kind.asdecimal:
        return pa.float64()
    if kind.precision is None or kind.scale is None or kind.scale < 0:
        return pa.large_string()
    digits = max(kind.precision, kind.scale)
    if expression is not None and not _is_declared(expression):
        digits = max(digits, _MAX_DIGITS_128)
    if digits > _MAX_DIGITS:
        return pa.large_string()
    return (pa.decimal128 if digits <= _MAX_DIGITS_128 else pa.decimal256)(digits, kind.scale)


def _is_declared(expression: ColumnElement[Any]) -> bool:
    """Return whether the database enforces the type. It does so for table columns and casts."""
    inner = expression.element if isinstance(expression, Label) else expression
    return isinstance(inner, Column | Cast)
