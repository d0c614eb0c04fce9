"""Test how COPY records are converted to typed columns."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.types import TypeEngine

from flows.query.report import type_name
from flows.rows.arrow_columns import unpacked
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Records
from flows.sources.postgresql import copy_chunks

MADRID = ZoneInfo("Europe/Madrid")


def column(kind: TypeEngine[Any]) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


def read(data: bytes, kind: TypeEngine[Any], rows: int = 1) -> Any:
    return copy_chunks.chunk_of(Records(rows, data), [column(kind)], MADRID).values[0]


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        (b"", Text(), None),
        (b'""', Text(), ""),
        (b'"a ""b"",\r\n"', Text(), 'a "b",\r\n'),
        (b"NULL", Text(), "NULL"),
        ("\ufeffé".encode(), Text(), "\ufeffé"),
        (b"9223372036854775807", Integer(), 2**63 - 1),
        (b"9223372036854775808", Integer(), 2**63),
        (b"true", Boolean(), True),
        (b"9.90", Numeric(12, 2), Decimal("9.90")),
        (b"Infinity", Numeric(), Decimal("Infinity")),
        (b"9.999999999999999e+22", Double(), 1e23),
        (b"2024-07-09", Date(), date(2024, 7, 9)),
        (b"infinity", Date(), "infinity"),
        (b"0044-03-15 BC", Date(), "0044-03-15 BC"),
        (b"2024-07-19T14:30:15.000007+02:00", DateTime(timezone=True), datetime(2024, 7, 19, 12, 30, 15, 7)),  # noqa: DTZ001 - UTC
        (b"2024-07-19T14:30:15.000007", DateTime(), datetime(2024, 7, 19, 14, 30, 15, 7)),  # noqa: DTZ001
        # Arrow cannot parse an offset with seconds.
        (b"1879-12-31T23:45:16.000000-00:14:44", DateTime(timezone=True), datetime(1880, 1, 1, tzinfo=UTC)),
        (b"10000-01-01 00:30:00.5+01", DateTime(timezone=True), "10000-01-01 00:30:00.5+01"),
        (b"09:05:01.5", Time(), time(9, 5, 1, 500000)),
        (b"24:00:00", Time(), "24:00:00"),
        (b"09:05:00+00", Time(timezone=True), "09:05:00+00"),
        (b'"{""a"": 1.50}"', JSON(), '{"a": 1.50}'),
        (b"\\x00ff", LargeBinary(), b"\x00\xff"),
        (b"1 day", Interval(), "1 day"),
        (b"899e1228-d7b8-40fc-8490-70e6f1efb338", Uuid(), "899e1228-d7b8-40fc-8490-70e6f1efb338"),
    ],
)
def test_cells_become_exact_python_values(cell: bytes, kind: TypeEngine[Any], value: Any) -> None:
    (parsed,) = unpacked(read(cell + b",1\n", kind))
    assert parsed == value
    assert type(parsed) is type(value)


def test_one_value_without_an_arrow_type_makes_the_column_a_list() -> None:
    data = b"2024-07-09,1\ninfinity,2\n,3\n"
    assert isinstance(read(data, Date(), 3), list)
    assert read(data, Date(), 3) == [date(2024, 7, 9), "infinity", None]
    assert isinstance(read(data.replace(b"infinity", b"2024-07-10"), Date(), 3), pa.Array)


def test_the_last_column_is_the_key() -> None:
    chunk = copy_chunks.chunk_of(Records(2, b"a,k1\nb,k2\n"), [column(Text())], MADRID)
    assert chunk.rows == 2
    assert unpacked(chunk.keys) == ["k1", "k2"]


class Backwards(TypeDecorator[str]):
    impl = String
    cache_ok = True


@pytest.mark.parametrize(
    ("kind", "parseable"),
    [
        (Interval(), True),
        (Enum("a", "b"), True),
        (JSON().with_variant(JSONB(), "postgresql"), True),
        (ARRAY(Text), True),
        (INET(), True),
        (Backwards(), False),
        (PickleType(), False),
        (Numeric(asdecimal=False), False),
        (Float(asdecimal=True), False),
    ],
)
def test_types_that_convert_values_are_not_parsed(kind: TypeEngine[Any], parseable: bool) -> None:
    assert copy_chunks.can_parse(kind) is parseable
