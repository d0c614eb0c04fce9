"""Test that the count and the rows of an export come from the same snapshot despite concurrent commits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.pool import NullPool

from flows.query import statement
from flows.query.request import ExportRequest, parse_request
from flows.sources import sqlalchemy_rows
from flows.sources.postgresql import copy_out
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support.guarantee_table import GuaranteeTable
from tests.support.moving_rows import HERE, REPORT, THERE, movers

ROWS, MOVED = 20_000, 700
EXPORTS, LONG_RUN_EXPORTS, CONTROL_EXPORTS = 20, 50, 200


@dataclass
class Mover:
    moves: int = 0
    failure: BaseException | None = None


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5, poolclass=NullPool)
    movers.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": n, "place": HERE, "note": "x" * (n % 300)} for n in range(1, ROWS + 1)]
        connection.execute(insert(movers), rows)
    yield engine
    movers.metadata.drop_all(engine)


@pytest.fixture
def mover(engine: Engine, scratch_url: str) -> Iterator[Mover]:
    """Run a thread that moves some rows back and forth.

    Each move is a single commit, so the total number of rows never changes.
    """
    mover, stop = Mover(), threading.Event()

    def move() -> None:
        try:
            with psycopg.connect(scratch_url.replace("+psycopg", ""), autocommit=True) as connection:
                while not stop.is_set():
                    place = THERE if mover.moves % 2 == 0 else HERE
                    connection.execute("UPDATE movers SET place = %s WHERE id <= %s", [place, MOVED])
                    mover.moves += 1
                connection.execute("UPDATE movers SET place = %s", [HERE])
        except BaseException as error:  # noqa: BLE001 - reported to the test
            mover.failure = error

    thread = threading.Thread(target=move)
    thread.start()
    yield mover
    stop.set()
    thread.join()
    assert mover.failure is None


@pytest.fixture
def request_here() -> ExportRequest:
    return parse_request({"report": "movers", "place": HERE}, {"movers": REPORT})


@contextmanager
def open_snapshot(engine: Engine) -> Iterator[Snapshot]:
    with snapshot(engine, "UTC", 60, lambda: datetime.now(UTC)) as snap:
        yield snap


def count_and_fetch(snap: Snapshot, request: ExportRequest, reader: str) -> tuple[int, int]:
    """Return the result of the count query and the number of fetched rows."""
    columns = statement.output_columns(request, [])
    counted = snap.scalar(statement.count(request))
    if reader == "copy":
        query = copy_out.select_rows(request, columns, request.options)
        fetched = sum(block.rows for block in copy_out.copy(snap, query, request.options))
    else:
        fetched = sum(chunk.rows for chunk in sqlalchemy_rows.fetch(snap, request, columns))
    return counted, fetched


@pytest.mark.parametrize("reader", ["copy", "frame"])
def test_count_and_rows_come_from_one_committed_state(
    engine: Engine,
    mover: Mover,
    request_here: ExportRequest,
    reader: str,
    guarantees: GuaranteeTable,
    is_long_run: bool,
) -> None:
    exports = LONG_RUN_EXPORTS if is_long_run else EXPORTS
    pairs = [count_in_snapshot(engine, request_here, reader) for _ in range(exports)]
    wrong = [pair for pair in pairs if pair not in [(ROWS, ROWS), (ROWS - MOVED, ROWS - MOVED)]]
    moves = mover.moves
    guarantees.add(
        f"G5: a file comes from one snapshot ({reader})",
        exports,
        len(wrong),
        f"{moves} concurrent commits, each of which moves {MOVED} of {ROWS:,} rows",
        "exports with READ COMMITTED have wrong counts",
        some_count_differs(engine, request_here),
    )
    assert wrong == []
    assert moves > exports


def count_in_snapshot(engine: Engine, request: ExportRequest, reader: str) -> tuple[int, int]:
    with open_snapshot(engine) as snap:
        return count_and_fetch(snap, request, reader)


def test_the_total_number_of_rows_never_changes(engine: Engine, mover: Mover) -> None:
    everywhere = replace(REPORT, scope={})
    request = parse_request({"report": "movers"}, {"movers": everywhere})
    for _ in range(EXPORTS):
        with open_snapshot(engine) as snap:
            assert count_and_fetch(snap, request, "copy") == (ROWS, ROWS)


def some_count_differs(engine: Engine, request: ExportRequest) -> bool:
    """Return whether any export under READ COMMITTED fetches a different number of rows than it counted.

    This is the control for the snapshot test.
    """
    for _ in range(CONTROL_EXPORTS):
        with engine.connect() as connection:
            counted, fetched = count_and_fetch(Snapshot(connection, datetime.now(UTC)), request, "copy")
        if counted != fetched:
            return True
    return False
