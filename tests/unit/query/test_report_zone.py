"""Test periods and filters on a column with local times in the report's time zone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Column, Connection, DateTime, Integer, MetaData, Table, create_engine, insert, select

from flows.errors import DeclarationError
from flows.query import statement
from flows.query.report import Report
from flows.query.request import parse_request

trips = Table(
    "trips",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("left_at", DateTime, nullable=False),
)
TIMES = [
    "2024-07-18 23:59:59",
    "2024-07-19 00:00:00",
    "2024-07-19 23:59:59.999999",
    "2024-07-20 00:00:00",
    "2024-10-27 02:30:00",
    "2024-10-27 03:30:00",
]


def report(zone: str | None) -> Report:
    return Report(
        name="trips",
        title="Trips",
        select=select(trips),
        key=trips.c.id,
        period=trips.c.left_at,
        zone=zone,
        filters={"leftAt": trips.c.left_at},
    )


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        trips.create(opened)
        for number, text in enumerate(TIMES):
            opened.execute(insert(trips).values(id=number, left_at=datetime.fromisoformat(text)))
        yield opened
    engine.dispose()


def ids(connection: Connection, zone: str | None, **fields: Any) -> list[int]:
    days = {"from": "2024-01-01", "to": "2024-12-31"}
    request = parse_request({"report": "trips"} | days | fields, {"trips": report(zone)})
    return list(connection.execute(statement.rows(request, [trips.c.id])).scalars())


@pytest.mark.parametrize("time_zone", ["UTC", "Europe/Madrid", "Pacific/Auckland"])
def test_a_day_contains_the_local_times_of_that_day(connection: Connection, time_zone: str) -> None:
    day = {"from": "2024-07-19", "to": "2024-07-19", "timeZone": time_zone}
    assert ids(connection, "Europe/Madrid", **day) == [1, 2]


def test_without_a_zone_local_times_are_utc(connection: Connection) -> None:
    day = {"from": "2024-07-19", "to": "2024-07-19"}
    assert ids(connection, None, **day) == [1, 2]
    assert ids(connection, None, **day, timeZone="Europe/Madrid") == [0, 1]


def test_a_timestamp_is_converted_to_the_zone(connection: Connection) -> None:
    bounds = {"from": "2024-07-18T22:00:00Z", "to": "2024-07-19T22:00:00Z"}
    assert ids(connection, "Europe/Madrid", **bounds) == [1, 2]
    assert ids(connection, "Europe/Madrid", filters={"leftAt": "2024-07-18T22:00:00Z"}) == [1]
    after = {"leftAt": {"gte": "2024-07-20T00:00:00+02:00", "not": ["2024-10-27T01:30:00Z"]}}
    assert ids(connection, "Europe/Madrid", filters=after) == [3, 5]


def test_both_instants_of_a_repeated_hour_match_its_local_time(connection: Connection) -> None:
    for instant in ("2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"):
        assert ids(connection, "Europe/Madrid", filters={"leftAt": instant}) == [4]


@pytest.mark.parametrize("zone", ["Madrid", "", 1])
def test_an_unknown_zone_is_rejected(zone: Any) -> None:
    with pytest.raises(DeclarationError, match="is not an IANA time zone such as Europe/Madrid"):
        report(zone)
