"""A database that says nothing: one that works is waited for, one that will never answer is given up."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Select, String, func, join, literal, select, true
from sqlalchemy.pool import NullPool

from flows.errors import SourceTimeout, SourceUnavailable
from flows.formats.csv_options import PRESETS
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
def way(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockableProxy]:
    monkeypatch.setattr(postgresql_watchdog, "PROBE_SECONDS", 2)
    way = BlockableProxy(stack.database_url)
    yield way
    way.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the server was found to be each time: lost or not."""
    answers: list[bool] = []
    ask = WatchedConnection._has_stopped

    def counted(self: WatchedConnection, *given: postgresql_watchdog.Backend) -> bool:
        answers.append(ask(self, *given))
        return answers[-1]

    monkeypatch.setattr(WatchedConnection, "_has_stopped", counted)
    return answers


def read(
    url: str, wanted: Select[tuple[object, ...]], trouble: Callable[[Snapshot], None], seconds: int = 60
) -> int:
    """Rows; the trouble comes after the first of them."""
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    with snapshot(engine, "UTC", seconds, lambda: datetime.now(UTC), SILENCE_SECONDS) as taken:
        blocks = copy_out.copy(taken, wanted, PRESETS["plain"])
        rows = next(blocks).rows
        trouble(taken)
        return rows + sum(block.rows for block in blocks)


def nothing(_: Snapshot) -> None:
    pass


@pytest.mark.parametrize("wanted", [LONG_WAIT, LONG_SUM], ids=["waits", "computes"])
def test_a_working_server_is_waited_for(
    way: BlockableProxy, asked: list[bool], wanted: Select[tuple[object, ...]]
) -> None:
    assert read(way.url, wanted, nothing) == 1
    assert asked[0] is False  # the last time it may just have answered


@pytest.mark.parametrize("backend", ["waits for us", "is gone"])
def test_a_lost_answer_is_not_waited_for(
    way: BlockableProxy, stack: Stack, database: psycopg.Connection, asked: list[bool], backend: str
) -> None:
    """Only what has been opened before is silent: the server can be asked."""
    silence = ExitStack()

    def lose(taken: Snapshot) -> None:
        pid = taken.driver.info.backend_pid
        taken.driver.probe = lambda: postgresql_watchdog.connect(stack.libpq_url, autocommit=True)
        silence.enter_context(way.blocked("silent"))
        if backend == "is gone":
            database.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with silence, pytest.raises(SourceUnavailable):
        read(way.url, MANY_BYTES, lose)
    assert asked[-1] is True


def test_an_unreachable_server_is_abandoned(way: BlockableProxy, asked: list[bool]) -> None:
    with ExitStack() as silence, pytest.raises(SourceUnavailable):
        read(way.url, MANY_BYTES, lambda _: silence.enter_context(way.blocked("silent")))
    assert asked == [True]


def test_a_slow_consumer_is_not_the_servers_silence(way: BlockableProxy, asked: list[bool]) -> None:
    assert read(way.url, MANY_BYTES, lambda _: time.sleep(3 * SILENCE_SECONDS)) == 200_000
    assert asked == []


def test_a_long_wait_ends_with_the_statements_timeout(way: BlockableProxy, asked: list[bool]) -> None:
    with pytest.raises(SourceTimeout):
        read(way.url, LONG_WAIT, nothing, seconds=1)
    assert set(asked) == {False}
