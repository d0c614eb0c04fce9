"""Define column types that read each stored value exactly or raise an error.

SQLite can store any value in any column. Drivers convert values to Python types that cannot represent every
value.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Dialect,
    Interval,
    LargeBinary,
    Numeric,
    Text,
    Time,
    TypeDecorator,
)

from flows.formats.cell_text import interval_text
from flows.rows.json_documents import json_text

# Matches only timestamps in formats that SQLite can compare.
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-](0\d|1[0-4]):[0-5]\d)?)?", re.ASCII
)
# Numbers stay strings, because Python limits the number of digits in an integer.
_CHECK_JSON = json.JSONDecoder(parse_int=str, parse_float=str).decode
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal type that is also exact on SQLite.

    SQLite stores decimals as integers or floats, and SQLAlchemy would convert both to float.
    """

    impl = Numeric
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        scale = self.impl_instance.scale  # type: ignore[attr-defined]
        return lambda value: _decimal(value, scale)


class ExactTimestamp(TypeDecorator[datetime]):
    """A timestamp type that converts every supported SQLite format to a naive UTC datetime."""

    impl = DateTime
    cache_ok = True

    def __init__(self, timezone: bool) -> None:
        super().__init__(timezone=timezone)
        self.timezone = timezone

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return (
            _or_null(_timestamp) if dialect.name == "sqlite" else super().result_processor(dialect, coltype)
        )


class ExactDate(TypeDecorator[date]):
    impl = Date
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _or_null(_date) if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class ExactBoolean(TypeDecorator[bool]):
    """A boolean type that reads numbers but rejects text, because bool() would turn any text into True."""

    impl = Boolean
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return None if dialect.supports_native_boolean else _or_null(_boolean)


class ExactBytes(TypeDecorator[bytes]):
    """A binary type that returns SQLite values unchanged.

    SQLAlchemy would pass each value to `bytes`, which turns a stored integer 5 into five zero bytes.
    """

    impl = LargeBinary
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return None if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class TimeOrText(TypeDecorator[Any]):
    """A time type that keeps PostgreSQL's `24:00:00` and MariaDB's durations as text."""

    impl = Time
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        is_text = dialect.name in ("postgresql", "mysql", "mariadb")
        return _or_null(_time_or_text) if is_text else super().result_processor(dialect, coltype)


class JsonText(TypeDecorator[str]):
    """A type that reads the stored text of JSON documents. A JSON null is read as None."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return _json if dialect.name == "postgresql" else _checked_json


class IntervalText(TypeDecorator[str]):
    impl = Interval
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name == "postgresql":
            return None
        read = Interval().dialect_impl(dialect).result_processor(dialect, coltype)
        return lambda value: _interval(read(value) if read else value)


def _or_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _decimal(value: int | float | str | None, scale: int | None) -> Decimal | None:
    if value is None:
        return None
    if scale is None or isinstance(value, str):
        return Decimal(repr(value) if isinstance(value, float) else value)
    if isinstance(value, int):
        return Decimal(f"{value}.{'0' * scale}" if scale else value)
    return Decimal(f"{value:.{scale}f}")


def _timestamp(text: str) -> datetime:
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError("not a timestamp that can be compared")
    value = datetime.fromisoformat(text.upper())
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _date(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError("not a date that can be compared")
    return date.fromisoformat(text)


def _boolean(value: Any) -> bool:
    if isinstance(value, bytes):  # MariaDB returns BIT values as bytes
        return any(value)
    if not isinstance(value, int):
        raise TypeError("not a boolean")
    return value != 0


def _time_or_text(text: str) -> time | str:
    try:
        return time.fromisoformat(text)
    except ValueError:
        return text.rstrip("0").rstrip(".") if "." in text else text


def _checked_json(value: Any) -> str | None:
    """Return the JSON text, or raise ValueError if it is malformed.

    This check is needed because only PostgreSQL always validates JSON when storing it.
    """
    text = _json(value)
    with suppress(RecursionError):
        if text is not None:
            _CHECK_JSON(text)
    return text


def _json(value: Any) -> str | None:
    text = value.decode() if isinstance(value, bytes) else value
    if not isinstance(text, str | None):  # SQLite stores a top-level JSON number as a number, not as text.
        return json_text(text)
    return None if text == "null" else text


def _interval(value: timedelta | None) -> str | None:
    return None if value is None else interval_text(value)
