"""Several connections write the bytes of a single one, of the same moment, and end together."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Double,
    Engine,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from flows.errors import SourceTimeout, SourceUnavailable
from flows.query import statement
from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.sources.postgresql import copy_rows, key_ranges, parallel_copy
from flows.sources.postgresql.copy_rows import Records
from flows.sources.snapshot import Snapshot, open_engine, snapshot

ROWS, RANGE_ROWS, READERS = 30_000, 1_000, 3
SORTS = ("id", "-id", "at", "-at", "word", "-word", "few", "-few", "rate", "-rate", "-few,word", "doubled")

table = Table(
    "ranges_read",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), index=True),
    Column("word", Text),
    Column("few", Integer, nullable=False),
    Column("rate", Double),
    Column("note", Text),
)
ROWS_MADE = text("""
    INSERT INTO ranges_read SELECT number,
        CASE WHEN number % 7 > 0 THEN timestamptz '2024-03-31' + number * 7919 % 10007 * interval '1 min' END,
        CASE WHEN number % 5 > 0 THEN md5((number % 500)::text) || '\\:''"%s' END,
        CASE WHEN number % 2 > 0 THEN 5 ELSE number % 100 END,
        CASE number % 11 WHEN 0 THEN 'NaN' WHEN 1 THEN '-infinity' ELSE number / 7.0 END,
        repeat(E'a, "b"\n', number % 9)
    FROM generate_series(1, :rows) AS number
""")
REPORT = Report(
    name="ranges",
    title="Ranges",
    select=select(table, (table.c.few * 2).label("doubled")),
    key=table.c.id,
)


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5, poolclass=NullPool)
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(ROWS_MADE, {"rows": ROWS})
    tidy_up(engine)
    yield engine
    table.metadata.drop_all(engine)


def tidy_up(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (FULL, ANALYZE) ranges_read"))


@contextmanager
def taken(engine: Engine, seconds: int = 60) -> Iterator[Snapshot]:
    with snapshot(engine, "Europe/Berlin", seconds, lambda: datetime.now(UTC)) as snap:
        yield snap


def asked(sort: str, report: Report = REPORT, **csv: object) -> ExportRequest:
    return parse_request({"report": "ranges", "sort": sort, "csv": csv}, {"ranges": report})


def selected(request: ExportRequest) -> Select[tuple[object, ...]]:
    return copy_rows.select_rows(request, statement.output_columns(request, []))


def ranges(snap: Snapshot, request: ExportRequest) -> list[Select[tuple[object, ...]]]:
    return key_ranges.cut(snap, request, selected(request), RANGE_ROWS)


def together(snap: Snapshot, request: ExportRequest) -> Iterator[Records]:
    return parallel_copy.read_together(snap, ranges(snap, request), request, READERS)


def data(blocks: Iterator[Records]) -> bytes:
    return b"".join(block.data for block in blocks)


def connections(engine: Engine, expected: int) -> int:
    """How many there are besides; a server process ends a moment after its connection."""
    others = text("""
        SELECT count(*) - 1 FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
    """)
    until = time.monotonic() + 5
    with engine.connect() as connection:
        while (found := connection.execute(others).scalar_one()) != expected and time.monotonic() < until:
            connection.rollback()
            time.sleep(0.02)
    return int(found)


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "reader"]


@pytest.mark.parametrize("sort", SORTS)
def test_the_bytes_are_a_single_readers_under_a_writer_that_moves_rows(engine: Engine, sort: str) -> None:
    request = asked(sort, lineEnding="crlf", delimiter=";")
    with taken(engine) as snap:
        alone = data(copy_rows.fetch(snap, selected(request), request.dialect))
        with engine.begin() as writer:
            writer.execute(table.update().values(id=-table.c.id, few=table.c.few + 1, at=None))
            writer.execute(insert(table).values(id=0, few=0))
        if sort == "doubled":
            assert ranges(snap, request) == []
        else:
            assert len(ranges(snap, request)) > READERS
            assert data(together(snap, request)) == alone
        with engine.begin() as writer:
            writer.execute(table.delete())
            writer.execute(ROWS_MADE, {"rows": ROWS})
    assert alone.count(b"\r\n") == ROWS
    assert (reading(), connections(engine, 0)) == ([], 0)


def test_no_block_reaches_over_a_file_of_its_own(engine: Engine) -> None:
    request = asked("at", preset="excel", splitRows=777, compression="zip")
    with taken(engine) as snap:
        rows = selected(request)
        blocks = list(
            parallel_copy.fetch(snap, request, rows, ROWS, READERS, from_rows=1, range_rows=RANGE_ROWS)
        )
    ends = set()
    passed = 0
    for block in blocks:
        assert passed // 777 == (passed + block.rows - 1) // 777
        passed += block.rows
        ends.add(passed)
    assert passed == ROWS
    assert ends >= set(range(777, ROWS, 777))


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.select.group_by(*table.c),
        lambda report: report.select.limit(ROWS),
        lambda report: report.select.distinct(),
        lambda report: report.select.add_columns(func.row_number().over(order_by=table.c.id).label("number")),
    ],
    ids=["groups", "limit", "distinct", "window"],
)
def test_what_depends_on_the_other_rows_is_read_whole(engine: Engine, change: object) -> None:
    assert callable(change)
    request = asked("id", replace(REPORT, select=change(REPORT)))
    with taken(engine) as snap:
        assert ranges(snap, request) == []


@pytest.mark.parametrize(
    ("sort", "is_worth_while"), [("id", True), ("-id", True), ("at", False), ("rate", False)]
)
def test_there_are_several_readers_only_where_an_index_leads_to_rows_that_lie_together(
    engine: Engine, sort: str, is_worth_while: bool
) -> None:
    """Rows lie in the order of their ids; `at` has an index too."""
    tidy_up(engine)
    request = asked(sort)
    with taken(engine) as snap:
        small = key_ranges.cut(snap, request, selected(request), range_rows=100)
        assert key_ranges.is_worth_while(snap, small) is is_worth_while


@pytest.mark.parametrize("which", range(READERS))
def test_a_connection_cut_in_one_reader_ends_all(
    engine: Engine, database: psycopg.Connection, which: int
) -> None:
    terminate = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = 'scratch' AND backend_type = 'client backend'
        ORDER BY backend_start LIMIT 1 OFFSET %s
    """
    request = asked("id")

    def read_cut() -> None:
        with taken(engine) as snap:
            blocks = together(snap, request)
            next(blocks)
            database.execute(terminate, [which])
            data(blocks)

    with pytest.raises(SourceUnavailable):
        read_cut()
    assert (reading(), connections(engine, 0)) == ([], 0)


def test_whoever_stops_asking_ends_all(engine: Engine) -> None:
    request = asked("id")
    with taken(engine) as snap:
        blocks = together(snap, request)
        next(blocks)
        assert len(reading()) == READERS
        assert connections(engine, READERS) == READERS
        blocks.close()  # type: ignore[attr-defined]
        assert (reading(), connections(engine, 1)) == ([], 1)


def test_the_limit_is_for_all_ranges_together(engine: Engine) -> None:
    slow = replace(REPORT, select=select(table.c.id, func.pg_sleep(0.001).label("slept")))
    with pytest.raises(SourceTimeout), taken(engine, seconds=1) as snap:
        data(together(snap, asked("id", slow)))
    assert (reading(), connections(engine, 0)) == ([], 0)


def test_a_database_that_gives_fewer_connections_is_read_all_the_same(
    engine: Engine, scratch_url: str
) -> None:
    request = asked("id")
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS modest"))
        connection.execute(text("CREATE ROLE modest LOGIN PASSWORD 'modest' CONNECTION LIMIT 2"))
        connection.execute(text("GRANT SELECT ON ranges_read TO modest"))
    modest = open_engine(
        "postgresql+psycopg://modest:modest@" + scratch_url.rpartition("@")[2], 5, poolclass=NullPool
    )
    with taken(modest) as snap:
        assert data(together(snap, request)).count(b"\n") > ROWS
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY modest"))
        connection.execute(text("DROP ROLE modest"))


@pytest.mark.parametrize(
    ("cores", "number"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (8, 3), (9, 4), (64, 4)]
)
def test_only_cores_to_spare_are_taken(cores: int, number: int) -> None:
    assert parallel_copy.readers_for(cores) == number


def test_a_small_export_has_one_reader(engine: Engine) -> None:
    request = asked("id")
    with taken(engine) as snap:
        for _ in parallel_copy.fetch(snap, request, selected(request), ROWS, READERS):
            assert reading() == []
