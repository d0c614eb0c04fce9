import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    REAL,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Time,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.types import TypeEngine

from flows.formats.cell_text import answer_texts, cell_text, column_texts
from flows.formats.csv.options import PRESETS, CsvOptions
from flows.query.report import type_name
from flows.rows.columns import OutputColumn, Question

UTC_ZONE, BERLIN, KOLKATA = map(ZoneInfo, ("UTC", "Europe/Berlin", "Asia/Kolkata"))
JULY = datetime(2024, 7, 19, 12, 30, 15, tzinfo=UTC)
ONE, MANY = Question("q1", "Which?", False), Question("q2", "Which ones?", True)


def column(kind: TypeEngine[Any]) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, Text(), None),
        ("", Text(), ""),
        ("=1+1\r\n", Text(), "=1+1\r\n"),
        (True, Boolean(), "true"),
        (False, Boolean(), "false"),
        (0, Integer(), "0"),
        (-(2**63), Integer(), "-9223372036854775808"),
        (Decimal("9.90"), Numeric(12, 2), "9.90"),
        (Decimal("1E+3"), Numeric(), "1000"),
        (Decimal("0E-7"), Numeric(), "0.0000000"),
        (Decimal("-0.00"), Numeric(12, 2), "0.00"),
        (Decimal("NaN"), Numeric(), "NaN"),
        (Decimal("-Infinity"), Numeric(), "-Infinity"),
        (10**40, Integer(), "1" + "0" * 40),
        (1e6, REAL(), "1e+06"),
        (999999.0, REAL(), "999999"),
        (0.1, REAL(), "0.1"),
        (date(2024, 7, 9), Date(), "2024-07-09"),
        (time(9, 5), Time(), "09:05:00"),
        (time(9, 5, 1, 20), Time(), "09:05:01.00002"),
        (time(9, 5, 1, 500000), Time(), "09:05:01.5"),
        (time(9, 50), Time(), "09:50:00"),
        (
            UUID("899E1228-D7B8-40FC-8490-70E6F1EFB338"),
            UuidType(),
            "899e1228-d7b8-40fc-8490-70e6f1efb338",
        ),
        (b"\x00\xff", LargeBinary(), "\\x00ff"),
        (memoryview(b"\x00\xff"), LargeBinary(), "\\x00ff"),
        (timedelta(), Text(), "00:00:00"),
        (timedelta(days=1), Text(), "1 day"),
        (timedelta(days=-1, seconds=3600), Text(), "-1 days +01:00:00"),
        (timedelta(days=2, seconds=5, microseconds=500000), Text(), "2 days 00:00:05.5"),
        # SQLite can store text in a column that has a different type.
        ("about ten", Integer(), "about ten"),
        ("soon", DateTime(timezone=True), "soon"),
    ],
)
def test_cells_are_formatted_like_postgresql(value: Any, kind: TypeEngine[Any], text: str | None) -> None:
    assert cell_text(value, column(kind), UTC_ZONE) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.00012345, "0.00012345"),
        (123456789012345.0, "123456789012345"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1234567890123456.7, "1.2345678901234568e+15"),
        (1e23, "9.999999999999999e+22"),
        (-1.5e-10, "-1.5e-10"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_floats_are_formatted_like_postgresql(value: float, text: str) -> None:
    assert cell_text(value, column(Double()), UTC_ZONE) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=100)
def test_float_text_parses_to_the_same_float(value: float) -> None:
    text = cell_text(value, column(Double()), UTC_ZONE)
    assert text is not None
    assert float(text) == value


@pytest.mark.parametrize(
    ("value", "zoned", "zone", "text"),
    [
        (JULY, True, UTC_ZONE, "2024-07-19T12:30:15.000000+00:00"),
        (JULY, True, BERLIN, "2024-07-19T14:30:15.000000+02:00"),
        (JULY, True, KOLKATA, "2024-07-19T18:00:15.000000+05:30"),
        (JULY.replace(month=1), True, BERLIN, "2024-01-19T13:30:15.000000+01:00"),
        (JULY.replace(microsecond=7), True, UTC_ZONE, "2024-07-19T12:30:15.000007+00:00"),
        (JULY.astimezone(timezone(timedelta(hours=-7))), True, BERLIN, "2024-07-19T14:30:15.000000+02:00"),
        # SQLite stores UTC timestamps without an offset.
        (JULY.replace(tzinfo=None), True, BERLIN, "2024-07-19T14:30:15.000000+02:00"),
        (JULY.replace(tzinfo=None), False, BERLIN, "2024-07-19T12:30:15.000000"),
        # This hour occurs twice.
        (datetime(2024, 10, 27, 0, 30, tzinfo=UTC), True, BERLIN, "2024-10-27T02:30:00.000000+02:00"),
        (datetime(2024, 10, 27, 1, 30, tzinfo=UTC), True, BERLIN, "2024-10-27T02:30:00.000000+01:00"),
        # At this time, the zone's offset included seconds.
        (
            datetime(1880, 1, 1, tzinfo=UTC),
            True,
            ZoneInfo("Europe/Madrid"),
            "1879-12-31T23:45:16.000000-00:14:44",
        ),
        # In these zones, the timestamps fall in years that Python cannot represent.
        (datetime(9999, 12, 31, 23, 30, 0, 500000, UTC), True, BERLIN, "10000-01-01 00:30:00.5+01"),
        (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), True, KOLKATA, "10000-01-01 05:00:00+05:30"),
        (datetime(1, 1, 1, tzinfo=UTC), True, ZoneInfo("Etc/GMT+5"), "0001-12-31 19:00:00-05 BC"),
    ],
)
def test_timestamps_are_written_in_the_requests_time_zone(
    value: datetime, zoned: bool, zone: ZoneInfo, text: str
) -> None:
    assert cell_text(value, column(DateTime(timezone=zoned)), zone) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ({}, "{}"),
        ([], "[]"),
        ('{"b":1,"b":2}', '{"b":1,"b":2}'),
        (True, "true"),
        (5, "5"),
        (Decimal("1.50"), "1.50"),
        ([1, None, False], "[1, null, false]"),
        ({"bb": 1, "a": 2, "c": {"z": []}}, '{"a": 2, "c": {"z": []}, "bb": 1}'),
        ({"z": 1, "é": 2, "aa": 3}, '{"z": 1, "aa": 3, "é": 2}'),
        ({'q"': "tab\t \u0001 ü 😀 /"}, '{"q\\"": "tab\\t \\u0001 ü 😀 /"}'),
    ],
)
def test_json_text_stays_and_a_value_is_formatted_like_jsonb(value: Any, text: str | None) -> None:
    assert cell_text(value, column(JSON()), UTC_ZONE) == text


@pytest.mark.parametrize(
    ("answers", "question", "text"),
    [
        ({"q1": "yes"}, ONE, "yes"),
        ({"q1": ""}, ONE, ""),
        ({"q1": None}, ONE, None),
        ({}, ONE, None),
        ({"q1": 5}, ONE, "5"),
        ({"q1": Decimal("4.50")}, ONE, "4.50"),
        ({"q1": True}, ONE, "true"),
        ({"q1": ["a", "b"]}, ONE, '["a", "b"]'),
        ({"q1": {"b": 1, "a": 2}}, ONE, '{"a": 2, "b": 1}'),
        ({"q2": ["a", "b"]}, MANY, "a; b"),
        ({"q2": ["one"]}, MANY, "one"),
        ({"q2": ["a; b", "c"]}, MANY, "a; b; c"),
        ({"q2": ["a", None, ""]}, MANY, "a; "),
        ({"q2": [""]}, MANY, ""),
        ({"q2": [1, True, {"k": []}]}, MANY, '1; true; {"k": []}'),
        ({"q2": []}, MANY, None),
        ({"q2": [None]}, MANY, None),
        ({"q2": None}, MANY, None),
        ({"q2": "a"}, MANY, "a"),
        ({}, MANY, None),
    ],
)
def test_answers_become_text_and_choices_are_joined(
    answers: Any, question: Question, text: str | None
) -> None:
    assert list(answer_texts([answers.get(question.key)], question)) == [text]


LOCAL = CsvOptions(date_times="local")


@pytest.mark.parametrize(
    ("value", "zoned", "zone", "text"),
    [
        (JULY.replace(microsecond=999_999), True, BERLIN, "2024-07-19 14:30:15"),
        (JULY.replace(tzinfo=None), True, BERLIN, "2024-07-19 14:30:15"),
        (JULY.replace(tzinfo=None, microsecond=5), False, BERLIN, "2024-07-19 12:30:15"),
    ],
)
def test_local_timestamps_have_no_offset_and_no_fraction(
    value: datetime, zoned: bool, zone: ZoneInfo, text: str
) -> None:
    assert cell_text(value, column(DateTime(timezone=zoned)), zone, LOCAL) == text


COMMA = CsvOptions(delimiter=";", decimal_mark=",")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Decimal("1234.50"), Numeric(12, 2), "1234,50"),
        (1.5e20, Double(), "1,5e+20"),
        (math.nan, Double(), "NaN"),
        (5, Integer(), "5"),
        ("1.5", Text(), "1.5"),
        ({"a": Decimal("1.5")}, JSON(), '{"a": 1.5}'),
        (None, Double(), None),
    ],
)
def test_the_decimal_comma_applies_to_numbers_only(
    value: Any, kind: TypeEngine[Any], text: str | None
) -> None:
    assert cell_text(value, column(kind), UTC_ZONE, COMMA) == text


GUARDED = CsvOptions(formula_guard=True)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("=1+1", Text(), "'=1+1"),
        ("-5", Text(), "-5"),
        ("-5 and more", Text(), "'-5 and more"),
        ("\tx", Text(), "'\tx"),
        ("a=1", Text(), "a=1"),
        ("", Text(), ""),
        (None, Text(), None),
        (-5, Integer(), "-5"),
        (Decimal("-5.0"), Numeric(4, 1), "-5.0"),
        ([-1], JSON(), "[-1]"),
    ],
)
def test_the_formula_guard_applies_to_text_only(value: Any, kind: TypeEngine[Any], text: str | None) -> None:
    assert cell_text(value, column(kind), UTC_ZONE, GUARDED) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("007", "'007"),
        ("-007", "'-007"),
        ("+34600111222", "'+34600111222"),
        ("1e5", "'1e5"),
        ("1234567890123456", "'1234567890123456"),
        ("123456789012345", "123456789012345"),
        ("0", "0"),
        ("0.5", "0.5"),
        ("7 007", "7 007"),
        ("007\n", "007\n"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("formula_guard", [True, False])
def test_a_number_stored_as_text_is_guarded_on_request(text: str, written: str, formula_guard: bool) -> None:
    options = CsvOptions(formula_guard=formula_guard, text_numbers="guard")
    assert cell_text(text, column(Text()), UTC_ZONE, options) == written
    assert cell_text(text, column(Text()), UTC_ZONE, PRESETS["excel"]) == text
    assert cell_text(1234567890123456, column(Integer()), UTC_ZONE, options) == "1234567890123456"


def test_a_cell_longer_than_excel_allows_is_written_whole() -> None:
    text = "x" * 40_000
    assert cell_text(text, column(Text()), UTC_ZONE, PRESETS["excel"]) == text


def test_local_times_of_a_repeated_hour_are_equal_and_iso_times_differ() -> None:
    zone, kind = ZoneInfo("Europe/Madrid"), column(DateTime(timezone=True))
    instants = [datetime(2024, 10, 27, hour, 30) for hour in (0, 1)]  # noqa: DTZ001 - sources return naive UTC
    local = column_texts(instants, kind, zone, PRESETS["excel"])
    assert list(local) == ["2024-10-27 02:30:00"] * 2
    iso = column_texts(instants, kind, zone, PRESETS["plain"])
    assert [text[-6:] for text in iso if text] == ["+02:00", "+01:00"]


@given(
    values=st.lists(st.datetimes(datetime.fromisoformat("1890-01-01"), datetime.fromisoformat("2100-01-01"))),
    name=st.sampled_from(
        ["UTC", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Kathmandu"]
    ),
)
@settings(max_examples=200)
def test_cached_offsets_match_the_time_zone(values: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)
    expected = [value.replace(tzinfo=UTC).astimezone(zone).isoformat("T", "microseconds") for value in values]
    assert list(column_texts(values, column(DateTime(timezone=True)), zone, CsvOptions())) == expected


@pytest.mark.parametrize("minutes", [-1, 0, 14, 15, 29, 30, 31])
def test_an_offset_change_within_a_quarter_hour_is_detected(minutes: int) -> None:
    # Liberia's clocks moved forward by 44 minutes and 30 seconds at 00:44:30 UTC.
    zone, change = ZoneInfo("Africa/Monrovia"), datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC)
    times = [change + timedelta(minutes=minutes, seconds=second) for second in (-31, -1, 0, 1, 31)]
    texts = column_texts(
        [time_.replace(tzinfo=None) for time_ in times], column(DateTime(timezone=True)), zone, CsvOptions()
    )
    assert list(texts) == [time_.astimezone(zone).isoformat("T", "microseconds") for time_ in times]


def test_a_column_of_mixed_types_is_written_value_by_value() -> None:
    values = [1, None, "one", Decimal("1.50"), 1.0, True, date(2024, 1, 2)]
    texts = column_texts(values, column(Text()), UTC_ZONE, CsvOptions())
    assert list(texts) == ["1", None, "one", "1.50", "1", "true", "2024-01-02"]
