"""Count and rows of one export are of one moment, whatever others commit meanwhile."""

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
from flows.sources.postgresql import copy_rows
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support.moving_rows import HERE, REPORT, THERE, movers

ROWS, MOVED = 20_000, 700
EXPORTS, LOOKS = 20, 200


@dataclass
class Mover:
    moves: int = 0
    failure: BaseException | None = None


@pytest.fixture(scope="module")
def engine(scratch_url: str) -> Iterator[Engine]:
    engine = open_engine(scratch_url, connect_seconds=5, poolclass=NullPool)
    movers.metadata.create_all(engine)
    with engine.begin() as connection:
        everyone = [{"id": n, "place": HERE, "note": "x" * (n % 300)} for n in range(1, ROWS + 1)]
        connection.execute(insert(movers), everyone)
    yield engine
    movers.metadata.drop_all(engine)


@pytest.fixture
def mover(engine: Engine, scratch_url: str) -> Iterator[Mover]:
    """Some rows go there and come back, all in one commit each; how many there are never changes."""
    mover, stop = Mover(), threading.Event()

    def move() -> None:
        try:
            with psycopg.connect(scratch_url.replace("+psycopg", ""), autocommit=True) as connection:
                while not stop.is_set():
                    place = THERE if mover.moves % 2 == 0 else HERE
                    connection.execute("UPDATE movers SET place = %s WHERE id <= %s", [place, MOVED])
                    mover.moves += 1
                connection.execute("UPDATE movers SET place = %s", [HERE])
        except BaseException as error:  # noqa: BLE001 - told to the test
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
def taken(engine: Engine) -> Iterator[Snapshot]:
    with snapshot(engine, "UTC", 60, lambda: datetime.now(UTC)) as snap:
        yield snap


def exported(snap: Snapshot, request: ExportRequest, way: str) -> tuple[int, int]:
    """What was counted, and what came."""
    columns = statement.output_columns(request, [])
    counted = snap.scalar(statement.count(request))
    if way == "copy":
        wanted = copy_rows.select_rows(request, columns)
        came = sum(block.rows for block in copy_rows.fetch(snap, wanted, request.dialect))
    else:
        wanted = statement.rows(request, sqlalchemy_rows.expressions(columns, request.report.key))
        chunks = sqlalchemy_rows.fetch(snap, wanted, columns, request.dialect)
        came = sum(chunk.rows for chunk in chunks)
    return counted, came


@pytest.mark.parametrize("way", ["copy", "frame"])
def test_count_and_rows_are_of_one_committed_state(
    engine: Engine, mover: Mover, request_here: ExportRequest, way: str
) -> None:
    seen = set()
    for _ in range(EXPORTS):
        with taken(engine) as snap:
            counted, came = exported(snap, request_here, way)
        assert came == counted
        seen.add(counted)
    assert seen <= {ROWS, ROWS - MOVED}
    assert mover.moves > EXPORTS


def test_all_rows_together_never_change_in_number(engine: Engine, mover: Mover) -> None:
    everywhere = replace(REPORT, scope={})
    request = parse_request({"report": "movers"}, {"movers": everywhere})
    for _ in range(EXPORTS):
        with taken(engine) as snap:
            assert exported(snap, request, "copy") == (ROWS, ROWS)


def test_without_the_snapshot_the_same_writer_is_noticed(
    engine: Engine, mover: Mover, request_here: ExportRequest
) -> None:
    """The control: read committed must deviate, or the tests above prove nothing."""
    for _ in range(LOOKS):
        with engine.connect() as connection:
            counted, came = exported(Snapshot(connection, datetime.now(UTC)), request_here, "copy")
        if counted != came:
            return
    pytest.fail(f"no deviation in {LOOKS} exports and {mover.moves} moves")
