"""Convert a filter value from JSON or a query string to the type of its column."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql

from flows.query.date_range import parse_date_or_timestamp
from flows.query.report import Filter
from flows.rows.columns import type_name

BINARY = (sql.LargeBinary, sql.BINARY, sql.VARBINARY)
MAX_ANY_OF = 1000
MAX_TEXT_LENGTH = 1000
MOST_DIGITS = 300  # The maximum number of digits before the decimal point. A double can have about 308.

_HEXADECIMAL = re.compile(r"\\x([0-9A-Fa-f]{2})*", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def parse_filter_value(value: object, filter_: Filter) -> Any:
    """Parse a JSON value. None is returned unchanged and matches null.

    Raises ValueError if the value is invalid.
    """
    if value is None:
        return None
    kind = type_name(filter_.column.type)
    if kind == "integer":
        parsed: Any = _integer(value, filter_)
    elif isinstance(filter_.column.type, BINARY):
        parsed = _bytes(value)
    else:
        parsed = _PARSERS[kind](value)
    choices = filter_.known_choices
    if choices is not None and parsed not in choices:
        raise ValueError(f"must be one of {', '.join(map(str, choices))}")
    return parsed


def value_from_text(text: str, filter_: Filter) -> Any:
    """Convert text from a query string to the equivalent JSON value.

    Invalid text is returned unchanged, so that validation reports it.
    """
    kind = type_name(filter_.column.type)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in ("integer", "number") and _NUMBER.fullmatch(text):
        try:
            return int(text) if kind == "integer" else Decimal(text)
        except ValueError:
            return text
    return text


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        raise ValueError(f"must be a string of at most {MAX_TEXT_LENGTH} characters")
    return value


def _bytes(value: object) -> bytes:
    text = _text(value)
    if not _HEXADECIMAL.fullmatch(text):
        raise ValueError(r"must be \x followed by hexadecimal digits, as in the file")
    return bytes.fromhex(text[2:])


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _integer(value: object, filter_: Filter) -> int:
    """Check that an integer is within the range of the column's type.

    PostgreSQL cannot compare the column with a value outside this range.
    """
    lowest, highest = integer_range(filter_.column.type)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"must be a whole number from {lowest} to {highest}")
    return value


def integer_range(kind: sql.TypeEngine[Any]) -> tuple[int, int]:
    if isinstance(kind, sql.SmallInteger):
        bits = 16
    else:
        bits = 32 if isinstance(kind, sql.Integer) and not isinstance(kind, sql.BigInteger) else 64
    is_unsigned = getattr(kind, "unsigned", False) or isinstance(kind, mysql.BIT)
    return (0, (1 << bits) - 1) if is_unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)


def _number(value: object) -> Decimal:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise ValueError("must be a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("must be a number") from None
    if not number.is_finite() or number.adjusted() >= MOST_DIGITS:
        raise ValueError(f"must be a number with at most {MOST_DIGITS} digits before the decimal point")
    return number


def _date(value: object) -> date:
    parsed = parse_date_or_timestamp(value)
    if isinstance(parsed, datetime):
        raise ValueError("must be a date such as 2024-07-19, without a time")
    return parsed


def _date_time(value: object) -> datetime:
    parsed = parse_date_or_timestamp(value)
    if not isinstance(parsed, datetime):
        raise ValueError("must be a timestamp with an offset")
    return parsed.astimezone(UTC)


def _uuid(value: object) -> uuid.UUID:
    text = _text(value)
    if not text.isascii():  # uuid.UUID would also accept digits from other scripts.
        raise ValueError("must be a UUID")
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ValueError("must be a UUID") from None


_PARSERS: dict[str, Callable[[object], Any]] = {
    "string": _text,
    "boolean": _boolean,
    "number": _number,
    "date": _date,
    "date-time": _date_time,
    "uuid": _uuid,
}
