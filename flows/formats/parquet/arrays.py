"""Convert the cells of a column to an Arrow array of the column's Parquet type.

A value is rejected if the conversion would change it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from flows.formats import column_text
from flows.formats.csv.options import PRESETS
from flows.formats.parquet.list_text import parse_list
from flows.rows.arrow_columns import TIMESTAMP, Values, unpacked
from flows.rows.columns import OutputColumn

Convert = Callable[[Any], Any]


def array(values: Values, column: OutputColumn, kind: pa.DataType, zone: ZoneInfo) -> pa.Array:
    """Return the values as an array of type `kind`.

    Raises an exception if a value does not fit the type.
    """
    if pa.types.is_large_string(kind):
        return column_text.texts(values, column, zone, PRESETS["plain"])
    if isinstance(values, pa.Array):
        if values.type == kind:
            return values
        if values.type == TIMESTAMP and pa.types.is_timestamp(kind):
            return _zoned(values, kind)
    return _array_of(unpacked(values), kind)


def _array_of(values: Any, kind: pa.DataType) -> pa.Array:
    convert = _converter(kind)
    exact = [None if value is None else convert(value) for value in values]
    if pa.types.is_timestamp(kind):
        return _zoned(pa.array(exact, TIMESTAMP), kind)
    return pa.array(exact, kind)


def _zoned(timestamps: pa.Array, kind: pa.DataType) -> pa.Array:
    """Attach the type's time zone to timestamps that are in UTC."""
    return timestamps.view(pa.int64()).view(kind)


def _converter(kind: pa.DataType) -> Convert:
    if pa.types.is_decimal(kind):
        return _decimal
    if pa.types.is_list(kind):
        return _list_converter(kind)
    if pa.types.is_timestamp(kind):
        return _utc if kind.tz else _naive
    return _CONVERTERS[kind]


def _list_converter(kind: pa.DataType) -> Convert:
    convert = _element_converter(kind)
    return lambda text: convert(parse_list(text))


def _element_converter(kind: pa.DataType) -> Convert:
    """Return the function that converts one element of an array.

    The element is text, or a list if the array is nested.
    """
    convert = _element_converter(kind.value_type) if pa.types.is_list(kind) else _text_converter(kind)
    if not pa.types.is_list(kind):
        return convert
    return lambda items: [None if item is None else convert(item) for item in _checked(items, list)]


def _text_converter(kind: pa.DataType) -> Convert:
    if pa.types.is_timestamp(kind):
        return lambda text: _utc(datetime.fromisoformat(_checked(text, str)))
    parse = Decimal if pa.types.is_decimal(kind) else _PARSERS[kind]
    return lambda text: parse(_checked(text, str))


def _only(kind: type) -> Convert:
    return lambda value: _checked(value, kind)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _decimal(value: Any) -> Decimal:
    number = Decimal(repr(value)) if type(value) is float else value
    if type(number) not in (Decimal, int) or not Decimal(number).is_finite():
        raise ValueError("not a finite number")
    return Decimal(number)


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) not in (Decimal, int) or Decimal(repr(float(value))) != value:
        raise ValueError("not exact as a float")
    return float(value)


def _naive(value: Any) -> datetime:
    naive: datetime = _checked(value, datetime).replace(tzinfo=None)
    return naive


def _utc(value: Any) -> datetime:
    """Return the timestamp in UTC as a naive datetime. Naive timestamps are already in UTC."""
    moment: datetime = _checked(value, datetime)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _boolean(text: str) -> bool:
    return {"t": True, "f": False, "true": True, "false": False}[text]


_CONVERTERS: dict[pa.DataType, Convert] = {
    pa.int64(): _only(int),
    pa.uint64(): _only(int),
    pa.float64(): _float,
    pa.bool_(): _only(bool),
    pa.date32(): _only(date),
    pa.time64("us"): _only(time),
    pa.large_binary(): _only(bytes),
}
_PARSERS: dict[pa.DataType, Convert] = {
    pa.int64(): int,
    pa.float64(): float,
    pa.bool_(): _boolean,
    pa.date32(): date.fromisoformat,
    pa.time64("us"): time.fromisoformat,
    pa.large_binary(): lambda text: bytes.fromhex(text.removeprefix("\\x")),
    pa.large_string(): str,
}
