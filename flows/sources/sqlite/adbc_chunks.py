"""A big export from an SQLite file: typed columns, read by a process of its own, `sqlite_reader`.

It sees the same snapshot. From the first rows on that it cannot read exactly, or if it fails, Python reads.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from threading import Timer
from typing import IO, Any
from urllib.parse import quote

import pyarrow as pa
from sqlalchemy import Boolean, Connection, Dialect

from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import Values
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.sources import exact_types, sqlalchemy_rows
from flows.sources.snapshot import Snapshot
from flows.sources.sqlalchemy_rows import Read
from flows.sources.sqlite import adbc_process, adbc_query, json_answers
from flows.sources.sqlite.adbc_process import BEGIN, END, NULL_BEGINS

FROM_ROWS = 50_000  # its start takes a fifth of a second
BATCH_ROWS = 3 * sqlalchemy_rows.CHUNK_ROWS  # whole chunks: what is told of several odd rows depends on them
MOST_TRIES = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Process:
    """`sqlite_reader`, as it is spoken to."""

    told: IO[bytes]
    stream: IO[bytes]

    def tell(self, message: object) -> None:
        self.told.write(json.dumps(message).encode() + b"\n")
        self.told.flush()

    def does(self, what: str) -> bool:
        self.tell(what)
        return self.stream.readline() == adbc_process.DONE


@dataclass(frozen=True)
class Shared:
    """A snapshot, and the process that sees the same; None where none does."""

    snapshot: Snapshot
    process: Process | None


def can_read(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn], rows: int) -> bool:
    """Whether it is worth a process, and there is a file whose columns that reads exactly."""
    dialect = taken.connection.dialect
    is_sqlite = dialect.name == "sqlite" and dialect.driver == "pysqlite"
    fits = is_sqlite and rows >= FROM_ROWS and adbc_query.can_read(request, columns)
    return fits and _file(taken) is not None


def _file(taken: Snapshot) -> str | None:
    """None where there is none, or it does not keep texts as Arrow does."""
    encoding = taken.connection.exec_driver_sql("PRAGMA encoding").scalar()
    found = taken.connection.exec_driver_sql("PRAGMA database_list")
    files: list[str] = [file for _, name, file in found if name == "main"]
    return files[0] or None if encoding == "UTF-8" else None


@contextmanager
def shared(taken: Snapshot, clock: Callable[[], datetime]) -> Iterator[Shared]:
    """Begins the snapshot anew: while nobody else commits, two transactions that are begun see the same."""
    with ExitStack() as stack:
        found = Shared(taken, None)
        try:
            process = stack.enter_context(_started(taken.session.statement_seconds))
            found = _shared(taken, process, clock)
        except OSError:
            logger.warning("no second process reads from SQLite", exc_info=True)
        yield found


@contextmanager
def _started(seconds: float) -> Iterator[Process]:
    """It has ended when the block has, and when so many seconds have passed."""
    command = [sys.executable, "-P", str(Path(adbc_process.__file__))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - ours
    limit = Timer(seconds, process.kill)
    limit.daemon = True
    limit.start()
    told, stream, errors = process.stdin, process.stdout, process.stderr
    assert told and stream and errors  # noqa: S101, PT018 - all three are asked for
    try:
        yield Process(told, stream)
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        if said := errors.read():
            logger.info("the second process said: %s", said.decode(errors="replace"))
        for each in (told, stream, errors):
            with suppress(OSError):
                each.close()


def _shared(taken: Snapshot, process: Process, clock: Callable[[], datetime]) -> Shared:
    process.tell({"uri": f"file:{quote(_file(taken) or '')}?mode=ro", "batch_rows": BATCH_ROWS})
    connection = taken.connection
    with connection.engine.connect() as observer:
        for _ in range(MOST_TRIES):
            taken = replace(taken, taken_at=clock().astimezone(UTC))
            before = _version(observer)
            for each in ("ROLLBACK", "BEGIN", "SELECT count(*) FROM sqlite_master"):
                connection.exec_driver_sql(each)
            if process.does(BEGIN) and _version(observer) == before:
                return Shared(taken, process)
            process.does(END)  # or it would hold up a writer who holds up this process
    return Shared(taken, None)


def _version(connection: Connection) -> Any:
    """Another after each commit of somebody else: https://www.sqlite.org/pragma.html#pragma_data_version."""
    return connection.exec_driver_sql("PRAGMA data_version").scalar()


def fetch(
    shared: Shared, request: ExportRequest, columns: Sequence[OutputColumn], expected: int
) -> Iterator[Chunk]:
    """No chunk crosses a file's last row."""
    done = 0
    try:
        for chunk in _chunks(shared, request, columns):
            yield chunk
            done += chunk.rows
    except Exception:
        logger.info("from row %d on Python reads", done + 1, exc_info=True)
    if done < expected:
        rows = statement.rows(request, sqlalchemy_rows.expressions(columns, request.report.key)).offset(done)
        yield from sqlalchemy_rows.fetch(shared.snapshot, rows, columns, request.dialect, done)


def _chunks(shared: Shared, request: ExportRequest, columns: Sequence[OutputColumn]) -> Iterator[Chunk]:
    process, dialect = shared.process, shared.snapshot.connection.dialect
    if process is None or not adbc_query.can_read(request, columns):
        return
    mark = bytes([NULL_BEGINS]) + token_bytes(7)
    process.tell(adbc_query.order(request, columns, dialect, mark))
    reads = [_reader(column, dialect) for column in columns if column.question is None]
    done = 0
    with pa.ipc.open_stream(process.stream) as batches:
        for batch in batches:
            for part in _parts(batch, done, request.dialect.split_rows):
                yield _chunk(part.columns, columns, reads)
                done += len(part)


def _reader(column: OutputColumn, dialect: Dialect) -> Read:
    if isinstance(column.expression.type, Boolean):
        return _truths
    return sqlalchemy_rows.reader(exact_types.read(column).type, dialect)


def _truths(values: Any) -> Values:
    return values.cast(pa.bool_())


def _parts(batch: pa.RecordBatch, done: int, split_rows: int | None) -> Iterator[pa.RecordBatch]:
    start = 0
    while start < len(batch):
        part = batch.slice(start, sqlalchemy_rows.next_size(done + start, split_rows))
        yield part
        start += len(part)


def _chunk(found: Sequence[pa.Array], columns: Sequence[OutputColumn], reads: Sequence[Read]) -> Chunk:
    keys = found[len(reads)]
    plain = iter(zip(reads, found, strict=False))
    answers = dict(zip(adbc_query.question_keys(columns), found[len(reads) + 1 :], strict=True))
    values: list[Values] = []
    for column in columns:
        if column.question is not None:
            values.append(json_answers.texts(answers[column.question.key], column.question))
        else:
            read, array = next(plain)
            values.append(read(array))
    return Chunk(values, keys)
