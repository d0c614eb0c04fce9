"""Test that timestamps in SQLite are compared as instants, regardless of their stored format."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Date, DateTime, Engine, Integer, MetaData, Table, select
from sqlalchemy.pool import NullPool

from api.tables.source import Source
from flows.errors import UnreadableRow
from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.sources.snapshot import open_engine
from tests.support.adbc_comparison import compare_sources
from tests.support.column_strategies import PROOF
from tests.support.engines import file_by_sqlalchemy
from tests.support.table_pages import rows_by_pages, table_source

visits = Table(
    "visits",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("local_at", DateTime),
    Column("day", Date),
)
v = visits.c


def report(period: Column[Any]) -> dict[str, Report]:
    filters = {"at": v.at, "localAt": v.local_at, "day": v.day}
    return {
        "visits": Report(
            name="visits", title="Visits", select=select(*v), key=v.id, period=period, filters=filters
        )
    }


def visits_request(period: Column[Any] = v.at, **fields: Any) -> ExportRequest:
    day = {"from": "2024-07-19", "to": "2024-07-19"}
    return parse_request({"report": "visits", "csv": {"header": "none"}} | day | fields, report(period))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "visits.db"
    engine = open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool)
    visits.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def source(engine: Engine) -> Iterator[Source]:
    with table_source(engine) as source:
        yield source


def load(engine: Engine, column: str, values: list[Any]) -> None:
    with sqlite3.connect(str(engine.url.database)) as connection:
        connection.execute("DELETE FROM visits")
        rows = list(enumerate(values, start=1))
        connection.executemany(f"INSERT INTO visits (id, {column}) VALUES (?, ?)", rows)  # noqa: S608
    connection.close()


def ids(engine: Engine, source: Source, request: ExportRequest) -> list[int]:
    """Return the ids in the file, and check that the table shows the same ids."""
    written = [int(line.partition(b",")[0]) for line in file_by_sqlalchemy(engine, request).splitlines()]
    for size in (1, 3):
        assert [row["id"] for row in rows_by_pages(source, request, size)] == written
    return written


FORMATS = [
    "2024-07-18 23:59:59",
    "2024-07-19 00:00:00",
    "2024-07-19 12:00:00",
    "2024-07-19 23:59:59.999999",
    "2024-07-20 00:00:00",
    "2024-07-19",
    "2024-07-19T00:00:00Z",
    "2024-07-19T01:30+02:00",
    "2024-07-20T01:59:59.9999999+02:00",
    "2024-07-18 22:00:00.5-03:30",
    "2024-07-20T00:00:00.000000",
    None,
]


@pytest.mark.parametrize("column", ["at", "localAt"])
def test_a_day_contains_the_rows_of_its_instants(engine: Engine, source: Source, column: str) -> None:
    name = "local_at" if column == "localAt" else column
    load(engine, name, FORMATS)
    assert ids(engine, source, visits_request(v[name], sort="id")) == [2, 3, 4, 6, 7, 9, 10]
    in_order = [2, 6, 7, 10, 3, 4, 9]
    assert ids(engine, source, visits_request(v[name], sort=column)) == in_order
    noon = visits_request(v[name], filters={column: ["2024-07-19T14:00:00+02:00", "2024-07-19T00:00:00Z"]})
    assert ids(engine, source, noon) == [2, 3, 6, 7]


@pytest.mark.parametrize("column", ["at", "local_at"])
@pytest.mark.parametrize(
    "value", ["n/a", "19.07.2024", "20240719T100000", 1721347200, b"x", "2024-07-19 24:00"]
)
def test_the_error_names_a_row_with_an_invalid_timestamp(
    engine: Engine, source: Source, column: str, value: Any
) -> None:
    load(engine, column, ["1999-01-01 10:00:00", value])
    request = visits_request(v[column])
    key = "localAt" if column == "local_at" else column
    with pytest.raises(UnreadableRow, match=f"Column {key} of the row with key 2 "):
        file_by_sqlalchemy(engine, request)
    with pytest.raises(UnreadableRow):
        rows_by_pages(source, request)


def test_the_child_process_also_compares_instants(engine: Engine) -> None:
    load(engine, "at", FORMATS)
    comparison = compare_sources(engine, visits_request(sort="-at"))
    assert (comparison.rows_by_process, comparison.result.count(b"\n")) == (7, 7)
    load(engine, "at", [*FORMATS, "n/a"])
    assert compare_sources(engine, visits_request()).result[0] == UnreadableRow.code


def test_a_period_of_dates(engine: Engine, source: Source) -> None:
    load(engine, "day", ["2024-07-18", "2024-07-19", "2024-07-20", None])
    assert ids(engine, source, visits_request(v.day)) == [2]
    assert ids(engine, source, visits_request(v.day, filters={"day": "2024-07-19"})) == [2]
    load(engine, "day", ["2024-07-18 10:00:00"])
    with pytest.raises(UnreadableRow, match="Column day of the row with key 1 "):
        file_by_sqlalchemy(engine, visits_request(v.day))


def test_a_day_that_the_zone_skipped_has_dates_but_no_instants(engine: Engine, source: Source) -> None:
    skipped = {"from": "2011-12-30", "to": "2011-12-30", "timeZone": "Pacific/Apia"}
    load(engine, "day", ["2011-12-29", "2011-12-30", "2011-12-31"])
    assert ids(engine, source, visits_request(v.day, **skipped)) == [2]
    load(engine, "at", ["2011-12-30 09:59:59", "2011-12-30 10:00:00"])
    assert ids(engine, source, visits_request(**skipped)) == []


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(2024, 7, 17), datetime(2024, 7, 22), timezones=st.just(UTC))  # noqa: DTZ001
instants |= st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def formatted_instants(draw: st.DrawFn) -> tuple[datetime, str]:
    """Draw an instant and one of its string representations."""
    instant = draw(instants)
    precision, digits = draw(st.sampled_from([("microseconds", 6), ("milliseconds", 3), ("seconds", 0)]))
    microseconds = instant.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
    instant = instant.replace(microsecond=microseconds)
    separator = draw(st.sampled_from("T "))
    if draw(st.booleans()):
        zone = draw(st.sampled_from(["", "Z", "z"]))
        return instant, instant.replace(tzinfo=None).isoformat(separator, precision) + zone
    return instant, instant.astimezone(draw(offsets)).isoformat(separator, precision)


@settings(PROOF, max_examples=40)
@given(values=st.lists(formatted_instants(), max_size=8), descending=st.booleans())
def test_any_format_is_filtered_and_sorted_by_its_instant(
    engine: Engine, source: Source, values: list[tuple[datetime, str]], descending: bool
) -> None:
    load(engine, "at", [text for _, text in values])
    midnight = datetime(2024, 7, 18, 22, tzinfo=UTC)
    within = [
        (instant, number)
        for number, (instant, _) in enumerate(values, start=1)
        if midnight <= instant < midnight + timedelta(days=1)
    ]
    request = visits_request(timeZone="Europe/Madrid", sort="-at" if descending else "at")
    expected = sorted(within, key=lambda pair: (pair[0].timestamp() * (-1 if descending else 1), pair[1]))
    assert ids(engine, source, request) == [number for _, number in expected]
