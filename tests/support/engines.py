"""Read a request's rows from a chosen source and create its file, without running the flow."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Engine

from flows.export import output_of, transform_batch
from flows.formats.output_file import OutputFile
from flows.query.request import ExportRequest
from flows.rows.pipeline import Chunk, Opening, Records
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.postgresql import copy_chunks, copy_rows
from flows.sources.protocol import Reading, RowSource
from flows.sources.snapshot import Snapshot, snapshot
from flows.sources.sqlite import adbc_chunks


def now() -> datetime:
    return datetime.now(UTC)


def file_by_copy(engine: Engine, request: ExportRequest) -> bytes:
    return read_by(copy_rows, engine, request)


def file_by_copy_chunks(engine: Engine, request: ExportRequest) -> bytes:
    """Export using the PostgreSQL source that handles reports with a `transform`, and return the file."""
    return read_by(copy_chunks, engine, request)


def file_by_concat(engine: Engine, request: ExportRequest) -> bytes:
    """Export using the MariaDB source that handles built-in SQLAlchemy column types, and return the file."""
    return read_by(concat_chunks, engine, request)


def file_by_sqlalchemy(engine: Engine, request: ExportRequest) -> bytes:
    with reading(engine, request) as opened:
        return file_from_snapshot(opened.snapshot, request)


def file_from_snapshot(opened: Snapshot, request: ExportRequest) -> bytes:
    return file_of(sqlalchemy_rows.rows(Reading(opened, request, now)), request)


def file_by_second_process(engine: Engine, request: ExportRequest) -> bytes:
    """Export with the SQLite source for large tables, regardless of the table's size, and return the file."""
    with reading(engine, request) as opened, adbc_chunks.shared(opened.snapshot, now) as shared:
        assert shared.process is not None
        opening = replace(opened, snapshot=shared.snapshot).opening
        chunks = adbc_chunks.fetch(shared, request, opening.read, opening.expected)
        return write_file(opening, chunks, request)


def with_transform(request: ExportRequest) -> ExportRequest:
    """Add a transform that changes nothing. It makes the export convert every value to pandas and back."""
    return replace(request, report=replace(request.report, transform=lambda frame: frame))


@contextmanager
def reading(engine: Engine, request: ExportRequest) -> Iterator[Reading]:
    with snapshot(engine, request.zone.key, 60, now) as opened:
        yield Reading(opened, request, now)


def read_by(source: RowSource, engine: Engine, request: ExportRequest) -> bytes:
    with reading(engine, request) as opened:
        assert source.can_read(opened)
        return file_of(source.rows(opened), request)


def file_of(items: Iterator[Opening | Records | Chunk], request: ExportRequest) -> bytes:
    opening = next(items)
    assert isinstance(opening, Opening)
    return write_file(opening, items, request)  # type: ignore[arg-type]


def write_file(opening: Opening, batches: Iterator[Records | Chunk], request: ExportRequest) -> bytes:
    output = output_of(request, opening)
    with (
        closing(batches),  # type: ignore[type-var] # a failed test would keep the cursor and its lock
        closing(request.format.writer(request.options, output)) as writer,
        OutputFile(request.format.container(request.options, output)) as file,
    ):
        transformed = (transform_batch(batch, opening, request) for batch in batches)
        blocks: Iterable[bytes] = (
            data for batch in transformed for block in writer.write(batch) for data in file.add(block)
        )
        stored = [*blocks]
        stored += [data for block in writer.finish() for data in file.add(block)]
        return b"".join([*stored, *file.finish()])
