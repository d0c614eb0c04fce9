"""Test that the parent and child processes read the same snapshot of an SQLite file.

These tests also check that no rows are lost when something fails.
"""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psutil
import pyarrow as pa
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.pool import NullPool

from flows.errors import SourceTimeout
from flows.query import statement
from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.rows.arrow_columns import unpacked
from flows.sources.snapshot import Snapshot, open_engine, snapshot, source_errors
from flows.sources.sqlite import adbc_chunks, adbc_process
from flows.sources.sqlite.adbc_chunks import Shared
from tests.support.moving_rows import HERE, REPORT, THERE, movers

ROWS, MOVED = 30_000, 700
EXPORTS = 12
REQUEST = parse_request({"report": "movers", "place": HERE}, {"movers": REPORT})


@pytest.fixture(params=["delete", "wal"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Create a database file for each journal mode. In `delete` mode, readers wait for writers."""
    file = tmp_path / "what's in it, 50% #1.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
        connection.execute("CREATE TABLE movers (id INTEGER PRIMARY KEY, place VARCHAR NOT NULL, note TEXT)")
        rows = ((number, HERE, "x" * (number % 300)) for number in range(1, ROWS + 1))
        connection.executemany("INSERT INTO movers VALUES (?, ?, ?)", rows)
        connection.commit()
    return file


@pytest.fixture
def engine(file: Path) -> Engine:
    return open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool)


@contextmanager
def open_snapshot(engine: Engine, seconds: int = 60) -> Iterator[Snapshot]:
    with snapshot(engine, "UTC", seconds, lambda: datetime.now(UTC)) as snap:
        yield snap


@contextmanager
def shared(engine: Engine, seconds: int = 60) -> Iterator[Shared]:
    with open_snapshot(engine, seconds) as snap, adbc_chunks.shared(snap, lambda: datetime.now(UTC)) as both:
        yield both


def ids(both: Shared, request: ExportRequest = REQUEST, expected: int = ROWS) -> Iterator[int]:
    columns = statement.output_columns(request, [])
    for chunk in adbc_chunks.fetch(both, request, columns, expected):
        yield from unpacked(chunk.keys)


def reading_processes(process: psutil.Process) -> list[psutil.Process]:
    name = Path(str(adbc_process.__file__)).name
    return [child for child in process.children() if any(part.endswith(name) for part in child.cmdline())]


def reading_process() -> psutil.Process:
    (process,) = reading_processes(psutil.Process())
    return process


MOVES = f"""
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
while True:
    for place in ("{THERE}", "{HERE}"):
        connection.execute("UPDATE movers SET place = ? WHERE id <= {MOVED}", [place])
        print("moved", flush=True)
        time.sleep(0.01)  # without this delay, readers would never get a turn
"""  # noqa: S608 - our own SQL
WRITES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30)
print("writing", flush=True)
connection.execute("INSERT INTO movers VALUES (0, 'here', NULL)")
connection.commit()
"""


@contextmanager
def run_in_process(program: str, argument: object) -> Iterator[subprocess.Popen[str]]:
    """Run the program in a child process, because SQLite handles locks differently within one process."""
    command = [sys.executable, "-c", program, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            assert read_line(process)
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_both_processes_see_one_committed_state(engine: Engine, file: Path) -> None:
    """The parent process counts the rows, and the child process reads them."""
    shared_count, counts = 0, set()
    with run_in_process(MOVES, file) as mover:
        moves = iter(lambda: read_line(mover), "")
        for _ in range(EXPORTS):
            with shared(engine) as both:
                counted = both.snapshot.scalar(statement.count(REQUEST))
                fetched = list(ids(both, expected=counted))
                shared_count += both.process is not None
            assert len(fetched) == counted
            assert fetched == sorted(fetched)
            counts.add(counted)
            next(moves)
        assert mover.poll() is None
    assert counts <= {ROWS, ROWS - MOVED}
    assert shared_count > EXPORTS // 2


def test_the_child_process_reads_all_rows(engine: Engine) -> None:
    columns = statement.output_columns(REQUEST, [])
    with shared(engine) as both:
        assert sum(chunk.rows for chunk in adbc_chunks._chunks(both, REQUEST, columns)) == ROWS


def test_a_waiting_writer_gets_a_turn(engine: Engine, file: Path) -> None:
    with open_snapshot(engine) as snap:
        assert snap.scalar(statement.count(REQUEST)) == ROWS
        with run_in_process(WRITES, file) as writer:
            time.sleep(0.3)  # By now, the writer has finished or is blocking new readers.
            with adbc_chunks.shared(snap, lambda: datetime.now(UTC)) as both:
                counted = both.snapshot.scalar(statement.count(REQUEST))
                assert len(list(ids(both, expected=counted))) == counted
            snap.connection.exec_driver_sql("ROLLBACK")
            assert writer.wait(30) == 0


@pytest.mark.parametrize("after", [0, 1, ROWS // 2])
def test_the_general_source_continues_after_a_kill(engine: Engine, after: int) -> None:
    with shared(engine) as both:
        remaining = ids(both)
        first = [next(remaining) for _ in range(after)]
        reading_process().kill()
        assert [*first, *remaining] == list(range(1, ROWS + 1))


@pytest.mark.parametrize("program", ["false", "there is none"])
def test_the_general_source_reads_if_the_child_process_cannot_start(
    engine: Engine, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with shared(engine) as both:
        assert both.process is None
        assert list(ids(both)) == list(range(1, ROWS + 1))


def test_the_time_limit_covers_both_processes(engine: Engine) -> None:
    """Without the time limit, the query would run for days."""
    others = [movers.alias() for _ in range(4)]
    endless = select(movers.c.id, *(other.c.note.label(f"n{n}") for n, other in enumerate(others))).where(
        *(other.c.id != movers.c.id for other in others)
    )
    report = Report(name="endless", title="Endless", select=endless, key=movers.c.id, sort="-id")
    request = parse_request({"report": "endless"}, {"endless": report})
    started_at = time.monotonic()
    with shared(engine, seconds=2) as both:
        assert both.process is not None
        with pytest.raises(SourceTimeout), source_errors():
            list(ids(both, request, expected=10**12))
    assert time.monotonic() - started_at < 20
    assert reading_processes(psutil.Process()) == []


@pytest.mark.parametrize("after", [0, 1])
def test_stopping_early_leaves_no_child_process(engine: Engine, after: int) -> None:
    with shared(engine) as both:
        remaining = ids(both)
        for _ in range(after):
            next(remaining)
        process = reading_process()
    assert not process.is_running()


HOLDS_A_SNAPSHOT = """
import sys, time
from datetime import UTC, datetime
from sqlalchemy.pool import NullPool
from flows.sources.sqlite import adbc_chunks
from flows.sources.snapshot import open_engine, snapshot

clock = lambda: datetime.now(UTC)
engine = open_engine(sys.argv[1], connect_seconds=5, poolclass=NullPool)
with snapshot(engine, "UTC", 60, clock) as open_snapshot, adbc_chunks.shared(open_snapshot, clock) as both:
    print("shared", flush=True)
    time.sleep(60)
"""


def test_killing_the_parent_process_ends_the_child(engine: Engine) -> None:
    with run_in_process(HOLDS_A_SNAPSHOT, engine.url) as first:
        (second,) = reading_processes(psutil.Process(first.pid))
        first.kill()
        assert wait_until_gone(second)


def wait_until_gone(process: psutil.Process) -> bool:
    """Return whether the process ends within 10 s.

    The process is not a child of the test, so it may remain as a zombie.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_child_process_does_not_import_pandas(file: Path) -> None:
    """pyarrow imports pandas when it converts a Python value. That import takes about a second."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE movers SET note = NULL WHERE id % 2 = 0")
        connection.commit()
    select_all = """SELECT id, coalesce(note, x'ff'), id, '"a"', '{"a": "b"}', NULL FROM movers ORDER BY id"""
    order = {"sql": select_all, "parameters": "", "kinds": ["integer", "text", "integer"]}
    order |= {"answers": 1, "null": "ff"}
    lines = [{"uri": f"file:{quote(str(file))}?mode=ro", "batch_rows": 100}, "begin", order]
    command = [sys.executable, "-X", "importtime", str(adbc_process.__file__)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as second:  # noqa: S603 - our own program
        assert second.stdin is not None
        assert second.stdout is not None
        assert second.stderr is not None
        errors: list[bytes] = []
        reading = threading.Thread(target=lambda: errors.append(second.stderr.read()))  # type: ignore[union-attr]
        reading.start()
        second.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        second.stdin.flush()
        assert second.stdout.readline() == adbc_process.DONE
        with pa.ipc.open_stream(second.stdout) as batches:
            assert batches.read_all().num_rows == ROWS
        reading.join()
    assert b"pyarrow" in errors[0]
    assert b"pandas" not in errors[0]
