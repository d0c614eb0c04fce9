"""Test that an export waits for a silent but working database, and fails if no result can arrive."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Select, String, func, join, literal, select, true
from sqlalchemy.pool import NullPool

from flows.errors import SourceTimeout, SourceUnavailable
from flows.formats.csv.options import PRESETS
from flows.sources import postgresql_watchdog
from flows.sources.postgresql import copy_out
from flows.sources.postgresql_watchdog import WatchedConnection
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support.blockable_proxy import BlockableProxy
from tests.support.running_stack import Stack

SILENCE_SECONDS = 0.4
NUMBERS = func.generate_series(1, literal(200_000)).column_valued("number")
MANY_BYTES = select(NUMBERS, func.repeat("x", 1000, type_=String))
PAIRS = (func.generate_series(1, literal(6000)).table_valued() for _ in range(2))
LONG_SUM = select(func.count()).select_from(join(*PAIRS, true()))
LONG_WAIT = select(func.pg_sleep(4 * SILENCE_SECONDS).label("slept"))


@pytest.fixture
def proxy(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockableProxy]:
    monkeypatch.setattr(postgresql_watchdog, "PROBE_SECONDS", 2)
    proxy = BlockableProxy(stack.database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Record the result of every probe. True means that the server is no longer working on the query."""
    results: list[bool] = []
    has_stopped = WatchedConnection._has_stopped

    def recorded(self: WatchedConnection, *arguments: postgresql_watchdog.Backend) -> bool:
        results.append(has_stopped(self, *arguments))
        return results[-1]

    monkeypatch.setattr(WatchedConnection, "_has_stopped", recorded)
    return results


def read(
    url: str, query: Select[tuple[object, ...]], fault: Callable[[Snapshot], None], seconds: int = 60
) -> int:
    """Run the query, cause the fault after the first block, and return the number of rows read."""
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    with snapshot(engine, "UTC", seconds, lambda: datetime.now(UTC), SILENCE_SECONDS) as snap:
        blocks = copy_out.copy(snap, query, PRESETS["plain"])
        rows = next(blocks).rows
        fault(snap)
        return rows + sum(block.rows for block in blocks)


def nothing(_: Snapshot) -> None:
    pass


@pytest.mark.parametrize("query", [LONG_WAIT, LONG_SUM], ids=["waits", "computes"])
def test_a_working_server_is_waited_for(
    proxy: BlockableProxy, probes: list[bool], query: Select[tuple[object, ...]]
) -> None:
    assert read(proxy.url, query, nothing) == 1
    # The result may arrive just before the last probe, so only the first probe is checked.
    assert probes[0] is False


@pytest.mark.parametrize("backend", ["waits for us", "is gone"])
def test_a_lost_answer_is_not_waited_for(
    proxy: BlockableProxy, stack: Stack, database: psycopg.Connection, probes: list[bool], backend: str
) -> None:
    """Existing connections stop transferring data, but new connections for probes still reach the server."""
    silence = ExitStack()

    def lose(snap: Snapshot) -> None:
        pid = snap.driver.info.backend_pid
        snap.driver.probe = lambda: postgresql_watchdog.connect(stack.libpq_url, autocommit=True)
        silence.enter_context(proxy.blocked("silent"))
        if backend == "is gone":
            database.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with silence, pytest.raises(SourceUnavailable):
        read(proxy.url, MANY_BYTES, lose)
    assert probes[-1] is True


def test_an_unreachable_server_is_abandoned(proxy: BlockableProxy, probes: list[bool]) -> None:
    with ExitStack() as silence, pytest.raises(SourceUnavailable):
        read(proxy.url, MANY_BYTES, lambda _: silence.enter_context(proxy.blocked("silent")))
    assert probes == [True]


def test_a_slow_consumer_is_not_the_servers_silence(proxy: BlockableProxy, probes: list[bool]) -> None:
    assert read(proxy.url, MANY_BYTES, lambda _: time.sleep(3 * SILENCE_SECONDS)) == 200_000
    assert probes == []


def test_a_long_wait_ends_with_the_statements_timeout(proxy: BlockableProxy, probes: list[bool]) -> None:
    with pytest.raises(SourceTimeout):
        read(proxy.url, LONG_WAIT, nothing, seconds=1)
    assert set(probes) == {False}
