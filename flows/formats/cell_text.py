"""Python values as the texts that PostgreSQL gives them, so that both engines write the same bytes. Pure."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import REAL

from flows.formats.csv_options import PRESETS, Dialect
from flows.formats.csv_text import FORMULA_STARTS, guarded, with_decimal_mark
from flows.rows.columns import OutputColumn, Question

Write = Callable[[Any], str]
_WriteOrNull = Callable[[Any], str | None]

READ_JSON = json.JSONDecoder(parse_float=Decimal).decode  # each digit stays

_DAY = timedelta(days=1)


def column_texts(
    values: Sequence[Any], column: OutputColumn, zone: ZoneInfo, dialect: Dialect
) -> Sequence[str | None]:
    """The cells of one column; None is NULL."""
    if column.type == "json":
        return _written(values, lambda kind: json_text)
    texts = _written(values, lambda kind: _writer(kind, column, zone, dialect))
    return _all_guarded(texts) if dialect.formula_guard and column.type == "string" else texts


def cell_text(
    value: Any, column: OutputColumn, zone: ZoneInfo, dialect: Dialect = PRESETS["plain"]
) -> str | None:
    """None is NULL."""
    return column_texts([value], column, zone, dialect)[0]


def answer_texts(answers: Sequence[Any], question: Question) -> Sequence[str | None]:
    """Values out of each row's JSON, as `->>` gives them: a text without its quotes, null as NULL."""
    return _written(answers, _choices_writer if question.multiple else _json_writer)


def _written(values: Sequence[Any], writer: Callable[[type], _WriteOrNull]) -> Sequence[str | None]:
    """How to write a type of values is chosen once, for most columns hold but one; None stays None."""
    kinds = set(map(type, values))
    found = kinds - {NoneType}
    if found == {str} and writer(str) is str:
        return values
    writers = {kind: writer(kind) for kind in found}
    if len(writers) != 1:
        return [None if value is None else writers[type(value)](value) for value in values]
    (write,) = writers.values()
    if NoneType in kinds:
        return [None if value is None else write(value) for value in values]
    return list(map(write, values))


def _json_writer(kind: type) -> Write:
    return _WRITERS[kind] if kind in (str, int, bool, Decimal) else json_text


def _choices_writer(kind: type) -> _WriteOrNull:
    return _choices_text if kind is list else _json_writer(kind)


def json_text(value: Any) -> str:
    """As `jsonb` prints: keys by length and then by bytes, a blank after comma and colon."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        inner = (f"{json.dumps(key, ensure_ascii=False)}: {json_text(value[key])}" for key in keys)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return _decimal_text(Decimal(repr(value)))
    return "null" if value is None else _plain_text(value)


def interval_text(value: timedelta) -> str:
    """`1 day 02:03:04.5`, `-1 days +01:00:00`, `00:00:00`."""
    days, clock = value.days, datetime.fromordinal(1) + value % _DAY
    parts = [f"{days} day{'' if days == 1 else 's'}"] if days else []
    if value % _DAY or not days:
        parts.append(("+" if days < 0 else "") + _time_text(clock.time()))
    return " ".join(parts)


def _choices_text(answer: list[Any]) -> str | None:
    """The choices joined; none at all are NULL."""
    texts = [each if type(each) is str else json_text(each) for each in answer if each is not None]
    return "; ".join(texts) if texts else None


def _all_guarded(texts: Iterable[str | None]) -> list[str | None]:
    starts = frozenset(FORMULA_STARTS)
    return [guarded(text) if text and text[0] in starts else text for text in texts]


def _writer(kind: type, column: OutputColumn, zone: ZoneInfo, dialect: Dialect) -> Write:
    if issubclass(kind, datetime):
        return _moment_writer(column.zoned, zone, local=dialect.date_times == "local")
    if kind is float and isinstance(column.expression.type, REAL):
        write: Write = _single_text
    else:
        write = _WRITERS.get(kind, _plain_text)
    if column.type == "number" and dialect.decimal_mark != "." and kind is not str:
        return lambda value: with_decimal_mark(write(value), dialect)
    return write


def _plain_text(value: Any) -> str:
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _moment_writer(zoned: bool, zone: ZoneInfo, local: bool) -> Write:
    if not zoned:
        return _local_text if local else _naive_text
    offsets = _Offsets(zone)
    return lambda value: _zoned_text(value, offsets, local)


def _zoned_text(value: datetime, offsets: "_Offsets", local: bool) -> str:
    """A moment without a zone is UTC: so databases keep it that know no zones."""
    try:
        if value.tzinfo is not None:
            there, offset_text = value.astimezone(offsets.zone), ""
        else:
            offset, offset_text = offsets[value.toordinal(), value.hour, value.minute // 15] or offsets.at(
                value
            )
            there = value + offset
    except OverflowError:
        return _beyond_text(value if value.tzinfo is not None else value.replace(tzinfo=UTC), offsets.zone)
    return _local_text(there) if local else _iso_text(there) + offset_text


class _Offsets(dict[tuple[int, int, int], tuple[timedelta, str] | None]):
    """A zone's offset from UTC at each quarter of an hour, for asking the zone takes three times as long.

    Keys are a day's ordinal, hour and quarter in UTC; the value is None where the offset changes in between.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def __missing__(self, quarter: tuple[int, int, int]) -> tuple[timedelta, str] | None:
        day, hour, number = quarter
        start = datetime.fromordinal(day).replace(hour=hour, minute=number * 15)
        first, last = self.at(start), self.at(start + timedelta(minutes=14, seconds=59))
        self[quarter] = first if first == last else None
        return self[quarter]

    def at(self, utc: datetime) -> tuple[timedelta, str]:
        there = utc.replace(tzinfo=UTC).astimezone(self.zone)
        return there.utcoffset() or timedelta(), there.isoformat()[
            len(there.replace(tzinfo=None).isoformat()) :
        ]


def _iso_text(value: datetime) -> str:
    """Microseconds are always written. Python asked for them would take half as long again."""
    return value.isoformat() if value.microsecond else value.isoformat("T", "microseconds")


def _naive_text(value: datetime) -> str:
    return _iso_text(value if value.tzinfo is None else value.replace(tzinfo=None))


def _local_text(value: datetime) -> str:
    return value.isoformat(" ", "seconds")[:19]


def _beyond_text(value: datetime, zone: ZoneInfo) -> str:
    """Of a moment that is in the year 10000 or 1 BC over there, which Python has no dates for."""
    towards = _DAY if value.year == 1 else -_DAY
    offset = (value + towards).astimezone(zone).utcoffset() or timedelta()
    clock = (value + towards + offset).time()
    day, era = ("0001-12-31", " BC") if value.year == 1 else ("10000-01-01", "")
    sign, seconds = "-" if offset < timedelta() else "+", abs(int(offset.total_seconds()))
    parts = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{day} {_time_text(clock)}{sign}{parts.removesuffix(':00').removesuffix(':00')}{era}"


def _time_text(value: time) -> str:
    """PostgreSQL drops the zeros at the end of a fraction."""
    text = value.isoformat()
    return text.rstrip("0") if value.microsecond else text


def _decimal_text(value: Decimal) -> str:
    return format(value or abs(value), "f")  # PostgreSQL has no negative zero


def _float_text(value: float) -> str:
    """The shortest digits that read back, in PostgreSQL's layout: `1`, `0.1`, `1e+15`."""
    text = repr(value)
    if -1e15 < value < 1e15 and "e" not in text:
        return text.removesuffix(".0")
    return _laid_out(value, plain_digits=15)


def _single_text(value: float) -> str:
    """PostgreSQL's `real` turns to exponents after 6 digits."""
    return _laid_out(value, plain_digits=6)


def _laid_out(value: float, plain_digits: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = _shortest(value).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - infinities and NaN are dealt with above
    magnitude = len(digits) + exponent - 1
    if value == 0 or -4 <= magnitude < plain_digits:
        return format(Decimal((sign, digits, exponent)), "f")
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{magnitude:+03d}"


def _shortest(value: float) -> Decimal:
    """Unlike Python, PostgreSQL never takes digits that lie exactly between two floats (as 1e23 does)."""
    if abs(value) < 2**53:  # between those, such digits are more than 17
        return Decimal(repr(value))
    candidates = (Decimal(f"{value:.{digits}e}") for digits in range(17))
    return next(each for each in candidates if float(each) == value and not _is_between(each, value))


def _is_between(number: Decimal, value: float) -> bool:
    beyond = math.nextafter(value, math.inf if number > value else -math.inf)
    return math.isfinite(beyond) and 2 * int(number) == int(value) + int(beyond)


def _hex_text(value: bytes) -> str:
    return "\\x" + value.hex()


_WRITERS: dict[type, Write] = {
    str: str,
    bool: {True: "true", False: "false"}.__getitem__,
    int: str,
    Decimal: _decimal_text,
    float: _float_text,
    date: date.isoformat,
    time: _time_text,
    timedelta: interval_text,
    bytes: _hex_text,
    memoryview: _hex_text,
    dict: json_text,
    list: json_text,
}
