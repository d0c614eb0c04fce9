"""Read large SQLite tables as Arrow columns in the child process `adbc_process`.

No Python object is created per value, and SQLite extracts the answers from the JSON. An export of a million
rows from the survey report takes 5.1 s. Reading the rows in chunks with pandas takes 16.8 s, which is 3.3
times as long. This source reaches 75% of the speed of `psql COPY` on PostgreSQL, and the general source
reaches 28%. Starting the process takes 0.2 s, so an export of 100,000 rows is only 1.5 times as fast as with
pandas. Both processes together use 450 to 480 MB (docs/speed.md).

Both processes read the same snapshot. The general source takes over if the child process fails or cannot read
a value exactly.
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

from flows.query.request import ExportRequest
from flows.rows.arrow_columns import Values
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk, Opening
from flows.sources import exact_types, sqlalchemy_rows
from flows.sources.protocol import Reading
from flows.sources.snapshot import Snapshot
from flows.sources.sqlalchemy_rows import Converter
from flows.sources.sqlite import adbc_process, adbc_query, json_answers
from flows.sources.sqlite.adbc_process import BEGIN, END, NULL_BEGINS

FROM_ROWS = 50_000  # Below this number of rows, starting the process costs more time than it saves.
BATCH_ROWS = (
    3 * sqlalchemy_rows.CHUNK_ROWS
)  # Must be a multiple of the chunk size. Both sources then report the same row if several are unreadable.
MAX_TRIES = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Process:
    """The pipes to and from the `adbc_process` child process."""

    commands: IO[bytes]
    stream: IO[bytes]

    def send(self, message: object) -> None:
        self.commands.write(json.dumps(message).encode() + b"\n")
        self.commands.flush()

    def succeeds(self, command: str) -> bool:
        self.send(command)
        return self.stream.readline() == adbc_process.DONE


@dataclass(frozen=True)
class Shared:
    """A snapshot and the child process that reads the same snapshot.

    `process` is None if the snapshot could not be shared.
    """

    snapshot: Snapshot
    process: Process | None


def can_read(reading: Reading) -> bool:
    """Return whether the child process can read these rows exactly and is worth starting."""
    dialect, opening = reading.snapshot.connection.dialect, reading.opening
    if (dialect.name, dialect.driver) != ("sqlite", "pysqlite") or opening.expected < FROM_ROWS:
        return False
    return adbc_query.can_read(reading.request, opening.read) and _file(reading.snapshot) is not None


def rows(reading: Reading) -> Iterator[Opening | Chunk]:
    with shared(reading.snapshot, reading.clock) as both:
        opening = replace(reading, snapshot=both.snapshot).opening
        yield opening
        yield from fetch(both, reading.request, opening.read, opening.expected)


def _file(snapshot: Snapshot) -> str | None:
    """Return the path of the database file.

    The result is None if the database is in memory or is not encoded in UTF-8.
    """
    encoding = snapshot.connection.exec_driver_sql("PRAGMA encoding").scalar()
    databases = snapshot.connection.exec_driver_sql("PRAGMA database_list")
    files: list[str] = [file for _, name, file in databases if name == "main"]
    return files[0] or None if encoding == "UTF-8" else None


@contextmanager
def shared(snapshot: Snapshot, clock: Callable[[], datetime]) -> Iterator[Shared]:
    """Take a new snapshot and, if possible, share it with the child process.

    Two transactions see the same data if no other connection commits between their starts.
    """
    with ExitStack() as stack:
        both = Shared(snapshot, None)
        try:
            process = stack.enter_context(_started(snapshot.session.statement_seconds))
            both = _share(snapshot, process, clock)
        except OSError:
            logger.warning("could not start the SQLite child process; reading without it", exc_info=True)
        yield both


@contextmanager
def _started(seconds: float) -> Iterator[Process]:
    """Start the child process. It is killed at the end of the block, or after `seconds` at the latest."""
    command = [sys.executable, "-P", str(Path(adbc_process.__file__))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - our own module
    limit = Timer(seconds, process.kill)
    limit.daemon = True
    limit.start()
    commands, stream, errors = process.stdin, process.stdout, process.stderr
    assert commands and stream and errors  # noqa: S101, PT018 - all three are pipes
    try:
        yield Process(commands, stream)
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        if message := errors.read():
            logger.info("output of the SQLite child process: %s", message.decode(errors="replace"))
        for pipe_end in (commands, stream, errors):
            with suppress(OSError):
                pipe_end.close()


def _share(snapshot: Snapshot, process: Process, clock: Callable[[], datetime]) -> Shared:
    process.send({"uri": f"file:{quote(_file(snapshot) or '')}?mode=ro", "batch_rows": BATCH_ROWS})
    connection = snapshot.connection
    with connection.engine.connect() as observer:
        for _ in range(MAX_TRIES):
            snapshot = replace(snapshot, taken_at=clock().astimezone(UTC))
            version = _data_version(observer)
            for statement in ("ROLLBACK", "BEGIN", "SELECT count(*) FROM sqlite_master"):
                connection.exec_driver_sql(statement)
            if process.succeeds(BEGIN) and _data_version(observer) == version:
                return Shared(snapshot, process)
            process.succeeds(END)  # Release the lock, or a writer waiting for it could block this process.
    return Shared(snapshot, None)


def _data_version(connection: Connection) -> Any:
    """Return a number that changes whenever another connection commits.

    https://www.sqlite.org/pragma.html#pragma_data_version
    """
    return connection.exec_driver_sql("PRAGMA data_version").scalar()


def fetch(
    shared: Shared, request: ExportRequest, columns: Sequence[OutputColumn], expected: int
) -> Iterator[Chunk]:
    done = 0
    try:
        for chunk in _chunks(shared, request, columns):
            yield chunk
            done += chunk.rows
    except Exception:
        logger.info("reading without the SQLite child process from row %d", done + 1, exc_info=True)
    if done < expected:
        yield from sqlalchemy_rows.fetch(shared.snapshot, request, columns, done)


def _chunks(shared: Shared, request: ExportRequest, columns: Sequence[OutputColumn]) -> Iterator[Chunk]:
    process, dialect = shared.process, shared.snapshot.connection.dialect
    if process is None or not adbc_query.can_read(request, columns):
        return
    mark = bytes([NULL_BEGINS]) + token_bytes(7)
    process.send(adbc_query.order(request, columns, dialect, mark))
    converters = [_converter(column, dialect) for column in columns if column.question is None]
    with pa.ipc.open_stream(process.stream) as batches:
        for batch in batches:
            for start in range(0, len(batch), sqlalchemy_rows.CHUNK_ROWS):
                chunk = batch.slice(start, sqlalchemy_rows.CHUNK_ROWS)
                yield _chunk(chunk.columns, columns, converters)


def _converter(column: OutputColumn, dialect: Dialect) -> Converter:
    if isinstance(column.expression.type, Boolean):
        return _booleans
    return sqlalchemy_rows.converter(exact_types.exact_expression(column).type, dialect)


def _booleans(values: Any) -> Values:
    return values.cast(pa.bool_())


def _chunk(
    arrays: Sequence[pa.Array], columns: Sequence[OutputColumn], converters: Sequence[Converter]
) -> Chunk:
    """Build a chunk from the arrays of the plain columns, the key, and the answers to each question."""
    keys = arrays[len(converters)]
    plain = iter(zip(converters, arrays, strict=False))
    answers = dict(zip(adbc_query.question_keys(columns), arrays[len(converters) + 1 :], strict=True))
    values: list[Values] = []
    for column in columns:
        if column.question is not None:
            values.append(json_answers.texts(answers[column.question.key], column.question))
        else:
            convert, array = next(plain)
            values.append(convert(array))
    return Chunk(values, keys)
