import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
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

from flows.cells import answer_text, cell_text
from flows.report import type_name
from flows.statement import OutputColumn, Question

UTC_ZONE, BERLIN, KOLKATA = map(ZoneInfo, ("UTC", "Europe/Berlin", "Asia/Kolkata"))
JULY = datetime(2024, 7, 19, 12, 30, 15, tzinfo=UTC)
ONE, MANY = Question("q1", "Which?", False), Question("q2", "Which ones?", True)


def column(kind: TypeEngine[Any]) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, Text(), None),
        (pd.NA, Integer(), None),
        (pd.NaT, DateTime(), None),
        ("", Text(), ""),
        ("=1+1\r\n", Text(), "=1+1\r\n"),
        (True, Boolean(), "true"),
        (False, Boolean(), "false"),
        (0, Integer(), "0"),
        (-(2**63), Integer(), "-9223372036854775808"),
        (Decimal("9.90"), Numeric(12, 2), "9.90"),
        (Decimal("1E+3"), Numeric(), "1000"),
        (Decimal("0E-7"), Numeric(), "0.0000000"),
        (date(2024, 7, 9), Date(), "2024-07-09"),
        (time(9, 5), Time(), "09:05:00"),
        (time(9, 5, 1, 20), Time(), "09:05:01.000020"),
        (
            UUID("899E1228-D7B8-40FC-8490-70E6F1EFB338"),
            UuidType(),
            "899e1228-d7b8-40fc-8490-70e6f1efb338",
        ),
        (b"\x00\xff", LargeBinary(), "\\x00ff"),
    ],
)
def test_a_cell_is_the_text_that_postgresql_gives(
    value: Any, kind: TypeEngine[Any], text: str | None
) -> None:
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
def test_a_float_has_postgresqls_layout(value: float, text: str) -> None:
    assert cell_text(value, column(Double()), UTC_ZONE) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=100)
def test_a_floats_text_reads_back_as_the_same_float(value: float) -> None:
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
        # SQLite keeps UTC without saying so.
        (JULY.replace(tzinfo=None), True, BERLIN, "2024-07-19T14:30:15.000000+02:00"),
        (JULY.replace(tzinfo=None), False, BERLIN, "2024-07-19T12:30:15.000000"),
        (pd.Timestamp(JULY), True, BERLIN, "2024-07-19T14:30:15.000000+02:00"),
        # The hour that comes twice.
        (datetime(2024, 10, 27, 0, 30, tzinfo=UTC), True, BERLIN, "2024-10-27T02:30:00.000000+02:00"),
        (datetime(2024, 10, 27, 1, 30, tzinfo=UTC), True, BERLIN, "2024-10-27T02:30:00.000000+01:00"),
    ],
)
def test_a_moment_is_told_in_the_requests_zone(
    value: datetime, zoned: bool, zone: ZoneInfo, text: str
) -> None:
    assert cell_text(value, column(DateTime(timezone=zoned)), zone) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ({}, "{}"),
        ([], "[]"),
        ("a", '"a"'),
        (True, "true"),
        (5, "5"),
        (Decimal("1.50"), "1.50"),
        ([1, None, False], "[1, null, false]"),
        ({"bb": 1, "a": 2, "c": {"z": []}}, '{"a": 2, "c": {"z": []}, "bb": 1}'),
        ({"z": 1, "é": 2, "aa": 3}, '{"z": 1, "aa": 3, "é": 2}'),
        ({'q"': "tab\t \u0001 ü 😀 /"}, '{"q\\"": "tab\\t \\u0001 ü 😀 /"}'),
    ],
)
def test_json_is_laid_out_as_jsonb_is(value: Any, text: str | None) -> None:
    assert cell_text(value, column(JSON()), UTC_ZONE) == text


@pytest.mark.parametrize(
    ("answers", "question", "text"),
    [
        ({"q1": "yes"}, ONE, "yes"),
        ({"q1": ""}, ONE, ""),
        ({"q1": None}, ONE, None),
        ({}, ONE, None),
        (None, ONE, None),
        ([], ONE, None),
        ("q1", ONE, None),
        ({"q1": 5}, ONE, "5"),
        ({"q1": Decimal("4.50")}, ONE, "4.50"),
        ({"q1": True}, ONE, "true"),
        ({"q1": ["a", "b"]}, ONE, '["a", "b"]'),
        ({"q1": {"b": 1, "a": 2}}, ONE, '{"a": 2, "b": 1}'),
        ({"q2": ["a", "b"]}, MANY, "a; b"),
        ({"q2": ["one"]}, MANY, "one"),
        ({"q2": ["a; b", "c"]}, MANY, "a; b; c"),
        ({"q2": ["a", None, ""]}, MANY, "a; "),
        ({"q2": [1, True, {"k": []}]}, MANY, '1; true; {"k": []}'),
        ({"q2": []}, MANY, None),
        ({"q2": [None]}, MANY, None),
        ({"q2": None}, MANY, None),
        ({"q2": "a"}, MANY, "a"),
        ({}, MANY, None),
    ],
)
def test_an_answer_is_one_text_and_choices_are_joined(
    answers: Any, question: Question, text: str | None
) -> None:
    assert answer_text(answers, question) == text
