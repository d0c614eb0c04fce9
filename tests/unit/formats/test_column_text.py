"""Whole columns by Arrow are the texts that `cells` gives one by one."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Date, DateTime, Integer, Numeric, Text
from sqlalchemy.types import TypeEngine

from flows.formats import timestamp_text
from flows.formats.cell_text import column_texts
from flows.formats.column_text import texts
from flows.formats.csv_options import CsvOptions
from flows.query.report import type_name
from flows.rows.arrow_columns import TIMESTAMP, packed, timestamps
from flows.rows.columns import OutputColumn

ZONES = ["UTC", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Kathmandu", "Etc/GMT+12"]
DIALECTS = [
    CsvOptions(),
    CsvOptions(date_times="local", formula_guard=True),
    CsvOptions(delimiter=";", decimal_mark=","),
]


def column(kind: TypeEngine[Any]) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


formulas = st.sampled_from(["=1+1", "-5", "+1,5", "@x", "\tx", "-", "a=1", "", "é"])
# What a column may hold, whatever it is declared as: SQLite keeps what it is given.
values = st.one_of(
    *(
        st.lists(st.none() | kind, min_size=1, max_size=5)
        for kind in (
            formulas | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
            st.integers(),
            st.booleans(),
            st.floats(),
            st.dates(),
            st.datetimes(),
            st.integers() | st.booleans() | formulas,
        )
    )
)


@given(
    found=values,
    kind=st.sampled_from(
        [Text(), Integer(), Boolean(), Numeric(), Date(), DateTime(), DateTime(timezone=True)]
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    dialect=st.sampled_from(DIALECTS),
)
@settings(max_examples=400, deadline=None)
def test_a_whole_column_has_the_text_of_its_single_cells(
    found: list[Any], kind: TypeEngine[Any], zone: ZoneInfo, dialect: CsvOptions
) -> None:
    expected = list(column_texts(found, column(kind), zone, dialect))
    for each in (found, packed(found)):
        assert texts(each, column(kind), zone, dialect).to_pylist() == expected


@given(
    found=st.lists(st.none() | st.datetimes(), min_size=1, max_size=5)
    | st.lists(
        st.datetimes(datetime.fromisoformat("1960-01-01"), datetime.fromisoformat("2040-01-01")), min_size=1
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    zoned=st.booleans(),
    dialect=st.sampled_from(DIALECTS),
)
@settings(max_examples=400, deadline=None)
def test_an_array_of_timestamps_has_the_text_of_single_ones(
    found: list[datetime | None], zone: ZoneInfo, zoned: bool, dialect: CsvOptions
) -> None:
    of_moments = column(DateTime(timezone=zoned))
    array = pa.array(found, TIMESTAMP)
    expected = list(column_texts(found, of_moments, zone, dialect))
    assert texts(array, of_moments, zone, dialect).to_pylist() == expected


def test_days_with_a_clock_change_are_left_to_python() -> None:
    berlin, change = ZoneInfo("Europe/Berlin"), datetime(2024, 3, 31, tzinfo=UTC)
    for day, at_once in ((change - timedelta(days=1), True), (change, False)):
        found = timestamp_text.zoned(pa.array([day.replace(tzinfo=None)], TIMESTAMP), berlin, local=False)
        assert (found is not None) is at_once


def test_json_strings_keep_their_quotes() -> None:
    assert texts(packed(["a", None]), column(JSON()), ZoneInfo("UTC"), CsvOptions()).to_pylist() == [
        '"a"',
        None,
    ]


@pytest.mark.parametrize("found", [[2**63, 1], ["\ud800"], [1, "1"], [date(2024, 1, 1)], [None]])
def test_values_without_an_exact_arrow_type_stay_a_list(found: list[Any]) -> None:
    assert packed(found) is found


@given(found=st.lists(st.none() | st.datetimes(), max_size=4).filter(any))
def test_iso_texts_parse_as_in_python(found: list[datetime | None]) -> None:
    for separator in (" ", "T"):
        array = timestamps([each and each.isoformat(separator) for each in found])
        assert isinstance(array, pa.Array)
        assert array.to_pylist() == found


@pytest.mark.parametrize(
    "odd", ["soon", "2024-07-19 12:30:15+02:00", 5, b"2024-07-19", "2024-07-19 25:00:00"]
)
def test_any_other_text_leaves_the_column_unparsed(odd: Any) -> None:
    found = ["2024-07-19 12:30:15.000000", odd]
    assert timestamps(found) is found
