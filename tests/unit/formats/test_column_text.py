"""Test that Arrow converts whole columns to the same text as `cell_text`."""

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
from flows.formats.csv.options import CsvOptions
from flows.query.report import type_name
from flows.rows.arrow_columns import TIMESTAMP, packed, timestamps
from flows.rows.columns import OutputColumn

ZONES = ["UTC", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Kathmandu", "Etc/GMT+12"]
OPTIONS = [
    CsvOptions(),
    CsvOptions(date_times="local", formula_guard=True),
    CsvOptions(formula_guard=True, text_numbers="guard"),
    CsvOptions(text_numbers="guard"),
    CsvOptions(delimiter=";", decimal_mark=","),
]


def column(kind: TypeEngine[Any]) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


formulas = st.sampled_from(
    ["=1+1", "-5", "+1,5", "@x", "\tx", "\n", "\ufeffa", "x;=1", 'x;"=1', "x;-1", "a|@", "-", "a=1", "", "é"]
)
# SQLite allows values of any type in any column.
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
    cells=values,
    kind=st.sampled_from(
        [Text(), Integer(), Boolean(), Numeric(), Date(), DateTime(), DateTime(timezone=True)]
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    options=st.sampled_from(OPTIONS),
)
@settings(max_examples=400, deadline=None)
def test_a_whole_column_has_the_text_of_its_single_cells(
    cells: list[Any], kind: TypeEngine[Any], zone: ZoneInfo, options: CsvOptions
) -> None:
    expected = list(column_texts(cells, column(kind), zone, options))
    for cell_values in (cells, packed(cells)):
        assert texts(cell_values, column(kind), zone, options).to_pylist() == expected


@given(
    cells=st.lists(st.none() | st.datetimes(), min_size=1, max_size=5)
    | st.lists(
        st.datetimes(datetime.fromisoformat("1960-01-01"), datetime.fromisoformat("2040-01-01")), min_size=1
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    zoned=st.booleans(),
    options=st.sampled_from(OPTIONS),
)
@settings(max_examples=400, deadline=None)
def test_an_array_of_timestamps_has_the_text_of_its_single_values(
    cells: list[datetime | None], zone: ZoneInfo, zoned: bool, options: CsvOptions
) -> None:
    timestamp_column = column(DateTime(timezone=zoned))
    array = pa.array(cells, TIMESTAMP)
    expected = list(column_texts(cells, timestamp_column, zone, options))
    assert texts(array, timestamp_column, zone, options).to_pylist() == expected


def test_days_with_a_clock_change_are_formatted_by_python() -> None:
    berlin, change = ZoneInfo("Europe/Berlin"), datetime(2024, 3, 31, tzinfo=UTC)
    for day, is_array in ((change - timedelta(days=1), True), (change, False)):
        cells = timestamp_text.zoned(pa.array([day.replace(tzinfo=None)], TIMESTAMP), berlin, local=False)
        assert (cells is not None) is is_array


def test_json_strings_keep_their_quotes() -> None:
    assert texts(packed(['"a"', None]), column(JSON()), ZoneInfo("UTC"), CsvOptions()).to_pylist() == [
        '"a"',
        None,
    ]


@pytest.mark.parametrize("cells", [[2**63, 1], ["\ud800"], [1, "1"], [date(2024, 1, 1)], [None]])
def test_values_without_an_exact_arrow_type_stay_a_list(cells: list[Any]) -> None:
    assert packed(cells) is cells


@given(cells=st.lists(st.none() | st.datetimes(), max_size=4).filter(any))
def test_iso_texts_are_parsed_like_python_does(cells: list[datetime | None]) -> None:
    for separator in (" ", "T"):
        array = timestamps([cell and cell.isoformat(separator) for cell in cells])
        assert isinstance(array, pa.Array)
        assert array.to_pylist() == cells


@pytest.mark.parametrize(
    "other", ["soon", "2024-07-19 12:30:15+02:00", 5, b"2024-07-19", "2024-07-19 25:00:00"]
)
def test_any_other_text_leaves_the_column_unparsed(other: Any) -> None:
    cells = ["2024-07-19 12:30:15.000000", other]
    assert timestamps(cells) is cells
