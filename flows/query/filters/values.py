"""Convert a filter value from JSON or a query string to the type of its column."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import types as sql

from flows.query.date_range import parse_date_or_timestamp
from flows.query.report import Filter
from flows.rows.columns import type_name

BINARY = (sql.LargeBinary, sql.BINARY, sql.VARBINARY)
# An integer column may contain any of these numbers, regardless of its declared type. SQLite stores up to 64
# bits in every integer column, and an unsigned column of MariaDB may be declared as `Integer`.
LOWEST_INTEGER, HIGHEST_INTEGER = -(1 << 63), (1 << 64) - 1
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
    parse = _bytes if isinstance(filter_.column.type, BINARY) else _PARSERS[kind]
    parsed: Any = parse(value)
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


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")
    if not LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
        raise ValueError(f"must be a whole number from {LOWEST_INTEGER} to {HIGHEST_INTEGER}")
    return value


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
    "integer": _integer,
    "number": _number,
    "date": _date,
    "date-time": _date_time,
    "uuid": _uuid,
}
