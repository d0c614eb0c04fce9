"""Python values as the texts that PostgreSQL gives them, so that both engines write the same bytes. Pure."""

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from flows.statement import OutputColumn, Question


def cell_text(value: Any, column: OutputColumn, zone: ZoneInfo) -> str | None:
    """None is NULL."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if column.type == "json":
        return _json_text(value)
    if isinstance(value, datetime):
        return _moment_text(value, zone, zoned=bool(getattr(column.expression.type, "timezone", False)))
    return _scalar_text(value)


def answer_text(answers: Any, question: Question) -> str | None:
    """One answer out of a row's JSON; a list of choices is joined, an empty one is NULL."""
    value = answers.get(question.key) if isinstance(answers, dict) else None
    if question.multiple and isinstance(value, list):
        texts = [text for text in map(_json_scalar, value) if text is not None]
        return "; ".join(texts) if texts else None
    return _json_scalar(value)


def _scalar_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)


def _moment_text(value: datetime, zone: ZoneInfo, zoned: bool) -> str:
    if not zoned:
        return value.replace(tzinfo=None).isoformat(timespec="microseconds")
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return aware.astimezone(zone).isoformat(timespec="microseconds")


def _float_text(value: float) -> str:
    """The shortest digits that read back, in PostgreSQL's layout: `1`, `0.1`, `1e+15`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = _shortest(value).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - infinities and NaN are dealt with above
    magnitude = len(digits) + exponent - 1
    if value == 0 or -4 <= magnitude < 15:
        text = format(Decimal((sign, digits, exponent)), "f")
    else:
        mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
        text = f"{'-' if sign else ''}{mantissa}e{magnitude:+03d}"
    return text


def _shortest(value: float) -> Decimal:
    """Unlike Python, PostgreSQL never takes digits that lie exactly between two floats (as 1e23 does)."""
    if abs(value) < 2**53:  # between those, such digits are more than 17
        return Decimal(repr(value))
    candidates = (Decimal(f"{value:.{digits}e}") for digits in range(17))
    return next(each for each in candidates if float(each) == value and not _is_between(each, value))


def _is_between(number: Decimal, value: float) -> bool:
    beyond = math.nextafter(value, math.inf if number > value else -math.inf)
    return math.isfinite(beyond) and 2 * int(number) == int(value) + int(beyond)


def _json_scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _json_text(value)


def _json_text(value: Any) -> str:
    """As `jsonb` prints: keys by length and then by bytes, a blank after comma and colon."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json_text(value[key])}" for key in keys)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else _scalar_text(value)
