"""Convert Python values to text in PostgreSQL's format, so that every source produces the same bytes."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import REAL

from flows.formats.csv.options import PRESETS, CsvOptions
from flows.formats.csv.text import guarded, with_decimal_mark
from flows.rows.columns import OutputColumn, Question
from flows.rows.json_documents import decimal_text, json_text

Write = Callable[[Any], str]
_WriteOrNull = Callable[[Any], str | None]

_DAY = timedelta(days=1)
_CHOICE_SEPARATOR = "; "


def column_texts(
    values: Sequence[Any], column: OutputColumn, zone: ZoneInfo, options: CsvOptions
) -> Sequence[str | None]:
    """Return the text of each cell in a column, or None for null."""
    if column.type == "json":
        return _written(values, lambda kind: str if kind is str else json_text)
    texts = _written(values, lambda kind: _writer(kind, column, zone, options))
    return _all_guarded(texts, options) if options.guards_text and column.type == "string" else texts


def cell_text(
    value: Any, column: OutputColumn, zone: ZoneInfo, options: CsvOptions = PRESETS["plain"]
) -> str | None:
    """Return the text of a single cell, or None for null."""
    return column_texts([value], column, zone, options)[0]


def answer_texts(answers: Sequence[Any], question: Question) -> Sequence[Any]:
    """Convert decoded JSON answers to text, as PostgreSQL's `->>` operator does.

    Strings are not quoted, and null becomes None. The items of a list of choices are joined with `; `. If the
    column shows whether a certain choice was selected, the result contains integers instead of text.
    """
    if question.is_recoded:
        return [_recoded(answer, question) for answer in answers]
    return _written(answers, _choices_writer if question.multiple else _json_writer)


def _written(values: Sequence[Any], writer: Callable[[type], _WriteOrNull]) -> Sequence[str | None]:
    """Convert each value to text. None stays None.

    `writer` is called once per type, because most columns contain values of a single type.
    """
    kinds = set(map(type, values))
    value_types = kinds - {NoneType}
    if value_types == {str} and writer(str) is str:
        return values
    writers = {kind: writer(kind) for kind in value_types}
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


def _recoded(answer: Any, question: Question) -> str | int | None:
    """Return the answer as it appears in the column, or None for an empty cell.

    The result is 1 or 0 if the column shows whether a certain choice was selected, and text otherwise.
    """
    items = answer if question.multiple and type(answer) is list else [answer]
    texts = [_json_writer(type(item))(item) for item in items if item is not None]
    if question.selected is not None:
        return int(question.selected in texts) if texts else None
    written = [question.texts.get(text, text) for text in texts if text not in question.omitted]
    return _CHOICE_SEPARATOR.join(written) if written else None


def interval_text(value: timedelta) -> str:
    """Format an interval as PostgreSQL does, for example `1 day 02:03:04.5` or `-1 days +01:00:00`."""
    days, clock = value.days, datetime.fromordinal(1) + value % _DAY
    parts = [f"{days} day{'' if days == 1 else 's'}"] if days else []
    if value % _DAY or not days:
        parts.append(("+" if days < 0 else "") + _time_text(clock.time()))
    return " ".join(parts)


def _choices_text(answer: list[Any]) -> str | None:
    """Return the choices joined with `; `, or None if there are none."""
    texts = [choice if type(choice) is str else json_text(choice) for choice in answer if choice is not None]
    return _CHOICE_SEPARATOR.join(texts) if texts else None


def _all_guarded(texts: Iterable[str | None], options: CsvOptions) -> list[str | None]:
    return [guarded(text, options) if text else text for text in texts]


def _writer(kind: type, column: OutputColumn, zone: ZoneInfo, options: CsvOptions) -> Write:
    if issubclass(kind, datetime):
        return _timestamp_writer(column.zoned, zone, local=options.date_times == "local")
    if kind is float and isinstance(column.expression.type, REAL):
        write: Write = _single_text
    else:
        write = _WRITERS.get(kind, _plain_text)
    if column.type == "number" and options.decimal_mark != "." and kind is not str:
        return lambda value: with_decimal_mark(write(value), options)
    return write


def _plain_text(value: Any) -> str:
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _timestamp_writer(zoned: bool, zone: ZoneInfo, local: bool) -> Write:
    if not zoned:
        return _local_text if local else _naive_text
    offsets = _Offsets(zone)
    return lambda value: _zoned_text(value, offsets, local)


def _zoned_text(value: datetime, offsets: "_Offsets", local: bool) -> str:
    """Return the timestamp in the zone of `offsets`.

    A naive timestamp, such as one from a database without time zones, is assumed to be in UTC.
    """
    try:
        if value.tzinfo is not None:
            local_time, offset_text = value.astimezone(offsets.zone), ""
        else:
            offset, offset_text = offsets[value.toordinal(), value.hour, value.minute // 15] or offsets.at(
                value
            )
            local_time = value + offset
    except OverflowError:
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return _out_of_range_text(aware, offsets.zone)
    return _local_text(local_time) if local else _iso_text(local_time) + offset_text


class _Offsets(dict[tuple[int, int, int], tuple[timedelta, str] | None]):
    """The UTC offsets of a time zone, cached for each quarter of an hour.

    Computing each offset from the zone would take three times as long. Each key consists of the day's
    ordinal, the hour and the quarter, all in UTC. Its value is None if the offset changes within the quarter.
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
        local_time = utc.replace(tzinfo=UTC).astimezone(self.zone)
        naive_length = len(local_time.replace(tzinfo=None).isoformat())
        return local_time.utcoffset() or timedelta(), local_time.isoformat()[naive_length:]


def _iso_text(value: datetime) -> str:
    """Return the timestamp in ISO format with microseconds.

    isoformat() is a third faster without an explicit precision. The precision is therefore passed only if the
    microseconds are 0, because isoformat() would otherwise omit them.
    """
    return value.isoformat() if value.microsecond else value.isoformat("T", "microseconds")


def _naive_text(value: datetime) -> str:
    return _iso_text(value if value.tzinfo is None else value.replace(tzinfo=None))


def _local_text(value: datetime) -> str:
    return value.isoformat(" ", "seconds")[:19]


def _out_of_range_text(value: datetime, zone: ZoneInfo) -> str:
    """Return the text of a timestamp that falls in the year 10000 or in 1 BC in this zone."""
    into_range = _DAY if value.year == 1 else -_DAY
    offset = (value + into_range).astimezone(zone).utcoffset() or timedelta()
    clock = (value + into_range + offset).time()
    day, era = ("0001-12-31", " BC") if value.year == 1 else ("10000-01-01", "")
    sign, seconds = "-" if offset < timedelta() else "+", abs(int(offset.total_seconds()))
    parts = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{day} {_time_text(clock)}{sign}{parts.removesuffix(':00').removesuffix(':00')}{era}"


def _time_text(value: time) -> str:
    """Return the time as PostgreSQL prints it, without trailing zeros in the fraction."""
    text = value.isoformat()
    return text.rstrip("0") if value.microsecond else text


def _float_text(value: float) -> str:
    """Return the shortest text that parses to the same float, such as `1`, `0.1` or `1e+15`."""
    text = repr(value)
    if -1e15 < value < 1e15 and "e" not in text:
        return text.removesuffix(".0")
    return _format_float(value, plain_digits=15)


def _single_text(value: float) -> str:
    """Return the text of a `real` value.

    PostgreSQL uses an exponent for values of 1e+06 and above.
    """
    return _format_float(value, plain_digits=6)


def _format_float(value: float, plain_digits: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = _shortest(value).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - infinities and NaN are handled above
    magnitude = len(digits) + exponent - 1
    if value == 0 or -4 <= magnitude < plain_digits:
        return format(Decimal((sign, digits, exponent)), "f")
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{magnitude:+03d}"


def _shortest(value: float) -> Decimal:
    """Return the shortest decimal for this float, according to PostgreSQL's rules.

    Unlike Python, PostgreSQL never chooses a decimal, such as 1e23, that lies exactly halfway between two
    floats.
    """
    if abs(value) < 2**53:  # Below this limit, the shortest decimal never lies halfway between two floats.
        return Decimal(repr(value))
    candidates = (Decimal(f"{value:.{digits}e}") for digits in range(17))
    return next(number for number in candidates if float(number) == value and not _is_halfway(number, value))


def _is_halfway(number: Decimal, value: float) -> bool:
    neighbour = math.nextafter(value, math.inf if number > value else -math.inf)
    return math.isfinite(neighbour) and 2 * int(number) == int(value) + int(neighbour)


def _hex_text(value: bytes) -> str:
    return "\\x" + value.hex()


_WRITERS: dict[type, Write] = {
    str: str,
    bool: {True: "true", False: "false"}.__getitem__,
    int: str,
    Decimal: decimal_text,
    float: _float_text,
    date: date.isoformat,
    time: _time_text,
    timedelta: interval_text,
    bytes: _hex_text,
    memoryview: _hex_text,
    dict: json_text,
    list: json_text,
}
