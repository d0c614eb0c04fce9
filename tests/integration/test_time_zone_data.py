"""Test that an export uses the same time zone data to select rows and to format their timestamps.

Python and PostgreSQL can have different data after a zone's rules have changed. In these tests, Python uses
Phoenix's rules for Vancouver, so Vancouver has no daylight saving time.
"""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Table, insert, select

from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.sources.snapshot import open_engine
from tests.support.csv_reader import read
from tests.support.engines import file_by_copy, file_by_copy_chunks, with_transform
from tests.support.table_pages import rows_by_pages, table_source

events = Table(
    "events",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("local_at", DateTime),
)
# Half-hourly timestamps around an ordinary day, a day that skips midnight and a day that repeats midnight.
DAYS = [
    datetime(2024, 1, 10, tzinfo=UTC),
    datetime(2027, 4, 30, tzinfo=UTC),
    datetime(2024, 11, 3, tzinfo=UTC),
]
HOURS = [day + timedelta(hours=hour / 2) for day in DAYS for hour in range(-40, 120)]


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5)
    events.metadata.drop_all(engine)
    events.metadata.create_all(engine)
    rows = [{"id": n, "at": at, "local_at": at.replace(tzinfo=None)} for n, at in enumerate(HOURS)]
    with engine.begin() as connection:
        connection.execute(insert(events), rows)
    yield engine
    events.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def other_rules(tmp_path: Path) -> Iterator[None]:
    """Make Python use different rules for Vancouver than PostgreSQL does."""
    (source,) = [Path(folder, "America/Phoenix") for folder in zoneinfo.TZPATH if Path(folder).is_dir()][:1]
    (tmp_path / "America").mkdir()
    (tmp_path / "America/Vancouver").write_bytes(source.read_bytes())
    search_path = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path, *search_path])
    # Only this zone: other tests compare zones by identity with those that they loaded earlier.
    ZoneInfo.clear_cache(only_keys=["America/Vancouver"])
    yield
    zoneinfo.reset_tzpath(search_path)
    ZoneInfo.clear_cache(only_keys=["America/Vancouver"])


def events_request(zone: str, day: str, period: str = "at") -> ExportRequest:
    report = Report(
        name="events", title="Events", select=select(*events.c), key=events.c.id, period=events.c[period]
    )
    body = {"report": "events", "from": day, "to": day, "timeZone": zone, "sort": "id"}
    return parse_request(body, {"events": report})


@pytest.mark.usefixtures("other_rules")
def test_days_and_texts_use_the_rules_of_the_database(engine: Engine) -> None:
    request = events_request("America/Vancouver", "2024-01-10")
    assert datetime(2024, 1, 10, tzinfo=request.zone).utcoffset() == timedelta(hours=-7)
    _, rows = read(file_by_copy(engine, request))
    assert (rows[0][1], rows[-1][1]) == (
        "2024-01-10T00:00:00.000000-08:00",
        "2024-01-10T23:30:00.000000-08:00",
    )
    with table_source(engine) as source:
        assert [row["at"] for row in rows_by_pages(source, request)] == [row[1] for row in rows]


@pytest.mark.usefixtures("other_rules")
def test_a_transform_uses_the_rules_of_python_for_both(engine: Engine) -> None:
    request = with_transform(events_request("America/Vancouver", "2024-01-10"))
    _, rows = read(file_by_copy_chunks(engine, request))
    assert (rows[0][1], rows[-1][1]) == (
        "2024-01-10T00:00:00.000000-07:00",
        "2024-01-10T23:30:00.000000-07:00",
    )


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("UTC", "2024-01-10", "00:00:00.000000+00:00", "23:30:00.000000+00:00"),
        ("Africa/Cairo", "2027-04-30", "01:00:00.000000+03:00", "23:30:00.000000+03:00"),
        ("America/Havana", "2024-11-03", "00:00:00.000000-04:00", "23:30:00.000000-05:00"),
        ("America/Havana", "2024-11-02", "00:00:00.000000-04:00", "23:30:00.000000-04:00"),
        ("Australia/Lord_Howe", "2024-01-10", "00:00:00.000000+11:00", "23:30:00.000000+11:00"),
    ],
)
def test_a_day_has_all_rows_of_its_date_and_no_others(
    engine: Engine, zone: str, day: str, first: str, last: str
) -> None:
    request = events_request(zone, day)
    _, rows = read(file_by_copy(engine, request))
    assert (rows[0][1], rows[-1][1]) == (f"{day}T{first}", f"{day}T{last}")
    expected = [n for n, at in enumerate(HOURS) if at.astimezone(ZoneInfo(zone)).date().isoformat() == day]
    assert [int(row[0] or 0) for row in rows] == expected
    assert file_by_copy_chunks(engine, with_transform(request)) == file_by_copy(engine, request)
    naive = events_request(zone, day, period="local_at")
    assert file_by_copy(engine, naive) == file_by_copy(engine, request)
