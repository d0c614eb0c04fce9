"""Test reading from a replica that cancels queries when newer data arrives."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, cast, func, select
from sqlalchemy.pool import NullPool

from api.settings import ApiSettings
from api.tables.source import Source
from flows.errors import SourceConflict
from flows.query.report import Report
from flows.query.request import parse_request
from flows.sources.snapshot import open_engine, snapshot
from tests.support import postgres
from tests.support.engines import now

TIMEOUT_SECONDS = 30
notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("text", String))
# Each row takes 20 ms, so a query is still running when the replica has to cancel it.
SLOW = Report(
    name="notes",
    title="Notes",
    select=select(notes.c.id, (notes.c.text + cast(func.pg_sleep(0.02), String)).label("text")),
    key=notes.c.id,
)
ROWS = 50


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    with postgres.running_with_replica() as urls:
        yield urls


@pytest.fixture
def primary(servers: tuple[str, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(servers[0], autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS notes; CREATE TABLE notes (id int PRIMARY KEY, text text)")
        connection.execute("INSERT INTO notes SELECT n, 'old' FROM generate_series(1, %s) AS n", [ROWS])
        yield connection


@pytest.fixture
def replica(servers: tuple[str, str], primary: psycopg.Connection) -> Iterator[Engine]:
    url = servers[1].replace("postgresql://", "postgresql+psycopg://")
    engine = open_engine(url, 5, poolclass=NullPool)
    wait_until_replayed(servers[1], primary)
    yield engine
    engine.dispose()


def wait_until_replayed(replica_url: str, primary: psycopg.Connection) -> None:
    row = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    assert row is not None
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with psycopg.connect(replica_url, autocommit=True) as connection:
        query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        while connection.execute(query, [row[0]]).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def replace_all_rows(primary: psycopg.Connection) -> None:
    primary.execute("UPDATE notes SET text = 'new'")
    primary.execute("VACUUM notes")


def test_the_replica_ends_a_snapshot_and_a_new_one_reads_the_new_rows(
    servers: tuple[str, str], primary: psycopg.Connection, replica: Engine
) -> None:
    texts = select(notes.c.text).distinct()
    with ExitStack() as exits:
        exits.enter_context(pytest.raises(SourceConflict))
        opened = exits.enter_context(snapshot(replica, "UTC", 60, now))
        assert opened.connection.execute(texts).scalars().all() == ["old"]
        replace_all_rows(primary)
        wait_until_replayed(servers[1], primary)
        opened.connection.execute(texts)
    with snapshot(replica, "UTC", 60, now) as opened:
        assert opened.connection.execute(texts).scalars().all() == ["new"]


def test_a_page_of_the_table_is_read_again(
    servers: tuple[str, str], primary: psycopg.Connection, replica: Engine
) -> None:
    url = replica.url.render_as_string(hide_password=False)
    settings = ApiSettings.model_validate({"database_url": url, "storage_url": "s3://b"})
    source = Source(settings, lambda: datetime.now(UTC))
    request = parse_request({"report": "notes"}, {"notes": SLOW})
    later = threading.Timer(0.3, replace_all_rows, [primary])
    later.start()
    try:
        page = asyncio.run(source.page(request, ROWS, 1, None))
    finally:
        later.join()
        source.close()
    assert (page.total, {row["text"] for row in page.rows}) == (ROWS, {"new"})
