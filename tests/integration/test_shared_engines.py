"""Test that exports of a process share a connection but not its session."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Engine, func, literal, select

from flows.errors import SourceUnavailable
from flows.sources import postgresql_watchdog
from flows.sources.origin import Origin
from flows.sources.shared_engines import close_idle_connections, shared_engine
from flows.sources.snapshot import Snapshot, snapshot
from tests.support.blockable_proxy import BlockableProxy
from tests.support.running_stack import Stack

LOCK = 4_711
PID = select(func.pg_backend_pid())


@pytest.fixture
def engine(stack: Stack) -> Iterator[Engine]:
    engine = shared_engine(stack.database_url, 5)
    yield engine
    close_idle_connections()


@contextmanager
def export(engine: Engine, **settings: str) -> Iterator[Snapshot]:
    clock = lambda: datetime.now(UTC)  # noqa: E731
    with snapshot(engine, "Asia/Tokyo", 60, clock, 60, settings, Origin("orders", "7")) as snap:
        yield snap


def session_of(database: psycopg.Connection, pid: int) -> tuple[str, str] | None:
    query = "SELECT application_name, state FROM pg_stat_activity WHERE pid = %s"
    return database.execute(query, [pid]).fetchone()


def test_exports_share_a_connection(engine: Engine, database: psycopg.Connection) -> None:
    pids = set()
    for _ in range(3):
        with export(engine) as snap:
            pids.add(snap.scalar(PID))
    (pid,) = pids
    assert session_of(database, pid) == ("", "idle")
    close_idle_connections()
    deadline = time.monotonic() + 10
    while session_of(database, pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_export_sees_nothing_of_the_session_before_it(
    engine: Engine, database: psycopg.Connection
) -> None:
    own = select(func.current_setting("app.caller", True), func.current_setting("TimeZone"))
    with export(engine, **{"app.caller": "ada"}) as snap:
        assert tuple(snap.connection.execute(own).one()) == ("ada", "Asia/Tokyo")
        snap.scalar(select(func.pg_advisory_lock(LOCK)))
        snap.scalar(select(func.set_config("work_mem", literal("1MB"), literal(False))))
    assert database.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() == (True,)
    database.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    with export(engine) as snap:
        assert snap.scalar(select(func.current_setting("app.caller", True))) in ("", None)
        assert snap.scalar(select(func.current_setting("work_mem"))) != "1MB"


def test_a_closed_connection_is_replaced(engine: Engine, database: psycopg.Connection) -> None:
    with export(engine) as snap:
        pid = snap.scalar(PID)
    database.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with export(engine) as snap:
        assert snap.scalar(PID) != pid


def test_a_silent_connection_is_replaced_soon(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_watchdog, "PROBE_SECONDS", 0.5)
    proxy = BlockableProxy(stack.database_url)
    engine = shared_engine(proxy.url, 1)
    try:
        with export(engine) as snap:
            snap.scalar(PID)
        started_at = time.monotonic()
        with proxy.blocked("silent"), pytest.raises(SourceUnavailable), export(engine):
            pass
        assert time.monotonic() - started_at < 10
        with export(engine) as snap:
            snap.scalar(PID)
    finally:
        engine.dispose()
        proxy.close()
