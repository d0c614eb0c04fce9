"""Test that all sources write the same bytes for the same rows and options."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from sqlalchemy import Engine, text
from sqlalchemy.pool import NullPool

from flows.query.request import ExportRequest
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import (
    PROOF,
    ZONES,
    common,
    kinds_request,
    load,
    of_postgresql,
    requests_of,
    rows_of,
    table_in,
)
from tests.support.engines import file_by_copy, file_by_copy_chunks, file_by_sqlalchemy, with_transform

# SQLAlchemy warns that SQLite stores decimals as floats. These decimals have at most twelve digits, so they
# survive the conversion.
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

# Server settings that must not affect the file.
SETTINGS = {
    "TimeZone": "Asia/Kolkata",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
}
examples = settings(PROOF, max_examples=80)


@pytest.fixture(scope="module")
def postgresql(scratch_url: str) -> Iterator[Engine]:
    with psycopg.connect(scratch_url.replace("+psycopg", ""), autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER DATABASE scratch SET {name} TO '{value}'")
        yield open_engine(scratch_url, connect_seconds=5)
        connection.execute("ALTER DATABASE scratch RESET ALL")


@pytest.fixture(scope="module")
def common_rows(postgresql: Engine) -> Iterator[Engine]:
    yield from table_in(postgresql, common)


@pytest.fixture(scope="module")
def own_rows(postgresql: Engine) -> Iterator[Engine]:
    yield from table_in(postgresql, of_postgresql)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@examples
@given(rows=rows_of(common), request=requests_of(common))
def test_copy_and_both_databases_give_the_same_bytes(
    common_rows: Engine, sqlite: Engine, rows: list[dict[str, Any]], request: ExportRequest
) -> None:
    load(common_rows, common, rows)
    load(sqlite, common, rows)
    expected = file_by_copy(common_rows, request)
    assert file_by_sqlalchemy(common_rows, request) == expected
    assert file_by_copy_chunks(common_rows, with_transform(request)) == expected
    assert file_by_sqlalchemy(sqlite, request) == expected


@examples
@given(rows=rows_of(of_postgresql), request=requests_of(of_postgresql))
def test_all_sources_of_postgresql_give_the_same_bytes(
    own_rows: Engine, rows: list[dict[str, Any]], request: ExportRequest
) -> None:
    load(own_rows, of_postgresql, rows)
    expected = file_by_copy(own_rows, request)
    assert file_by_sqlalchemy(own_rows, request) == expected
    assert file_by_copy_chunks(own_rows, with_transform(request)) == expected


INSERT = """
    INSERT INTO of_postgresql (id, answers, day, local_at, at)
    SELECT :id, '{}', cast(local_at AS date), local_at, cast(cast(:at AS text) AS timestamptz)
    FROM (SELECT cast(cast(:at AS text) AS timestamp) AS local_at) AS cast_once
"""


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("date_times", ["iso", "local"])
def test_dates_outside_pythons_range_are_written_as_postgresql_prints_them(
    own_rows: Engine, zone: str, date_times: str
) -> None:
    timestamps = ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "12345-06-07 08:09:10", None]
    load(own_rows, of_postgresql, [])
    with own_rows.begin() as connection:
        for setting in ("TimeZone TO 'UTC'", "DateStyle TO 'ISO, YMD'"):
            connection.execute(text(f"SET LOCAL {setting}"))
        connection.execute(
            text(INSERT), [{"id": number, "at": value} for number, value in enumerate(timestamps)]
        )
    csv = {"dateTimes": date_times, "header": "none"}
    request = kinds_request(
        of_postgresql, columns=["day", "localAt", "at"], timeZone=zone, sort="id", csv=csv
    )
    copy = file_by_copy(own_rows, request)
    infinite, _, early, late, empty = copy.decode().splitlines()
    assert infinite == "infinity,infinity,infinity"
    assert early.startswith("0044-03-15 BC,0044-03-15 12:00:00 BC,0044-03-15 ")
    assert late.startswith("12345-06-07,12345-06-07 08:09:10,12345-06-07 ")
    assert empty == ",,"
    assert file_by_sqlalchemy(own_rows, request) == copy
    assert file_by_copy_chunks(own_rows, with_transform(request)) == copy


def test_the_bytes_match_the_expected_bytes(common_rows: Engine, sqlite: Engine) -> None:
    rows = [
        {
            "words": 'He said "hi",\nthen left',
            "code": "",
            "whole": -5,
            "large": -(2**63),
            "price": Decimal("1234.50"),
            "rate": 1 / 3,
            "yes": True,
            "day": date(2024, 2, 29),
            "hour": datetime(2024, 7, 19, 23, 59, 59, 500000, tzinfo=UTC).time(),
            "at": datetime(2024, 7, 19, 23, 59, 59, 999999, tzinfo=UTC),
            "local_at": datetime.fromisoformat("2024-07-19T08:30:00"),
            "uid": uuid.UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"),
            "raw": b"\0\xff,",
            "mood": "so, so",
            "extra": {"b": [1, None, "x"], "a": {"long": True}},
            "answers": {"one": "=1+1", "many": ["a", "b; c"]},
        },
        dict.fromkeys([column.name for column in common.c if column.name != "id"])
        | {"at": datetime(1880, 1, 1, tzinfo=UTC), "answers": {"many": []}},
    ]
    expected = (
        b'1,"He said ""hi"",\nthen left","",-5,-9223372036854775808,1234.50,0.3333333333333333,true,'
        b"2024-02-29,23:59:59.5,2024-07-20T01:59:59.999999+02:00,2024-07-19T08:30:00.000000,"
        b'899e1228-d7b8-40fc-8490-70e6f1efb338,\\x00ff2c,"so, so",,'
        b'"{""b"": [1, null, ""x""], ""a"": {""long"": true}}",=1+1,a; b; c,\n'
        b"2,,,,,,,,,,1879-12-31T23:45:16.000000-00:14:44,,,,,,,,,\n"
    )
    request = kinds_request(common, timeZone="Europe/Madrid", sort="id", csv={"header": "none"})
    for engine in (common_rows, sqlite):
        load(engine, common, rows)
        assert file_by_sqlalchemy(engine, request) == expected
    assert file_by_copy(common_rows, request) == expected
