"""A request's file as each engine writes it, without a flow around it."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Engine

from flows.formats import csv_chunks
from flows.formats.csv_header import header
from flows.formats.output_file import Packing
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.rows.pandas_frames import transform_chunk
from flows.rows.pipeline import Chunk
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.postgresql import copy_chunks, copy_rows
from flows.sources.snapshot import Snapshot, snapshot
from flows.sources.sqlite import adbc_chunks


def copied(engine: Engine, request: ExportRequest) -> bytes:
    with snapshot(engine, request.zone.key, 60, lambda: datetime.now(UTC)) as taken:
        columns = _columns(taken, request)
        wanted = copy_rows.select_rows(request, columns)
        blocks = [(each.rows, each.data) for each in copy_rows.fetch(taken, wanted, request.dialect)]
    return _file(request, columns, blocks)


def framed(engine: Engine, request: ExportRequest) -> bytes:
    with snapshot(engine, request.zone.key, 60, lambda: datetime.now(UTC)) as taken:
        return framed_from(taken, request)


def framed_from(taken: Snapshot, request: ExportRequest) -> bytes:
    columns = _columns(taken, request)
    wanted = statement.rows(request, sqlalchemy_rows.expressions(columns, request.report.key))
    fetched = sqlalchemy_rows.fetch(taken, wanted, columns, request.dialect)
    return _written(fetched, columns, request)


def framed_by_second_process(engine: Engine, request: ExportRequest) -> bytes:
    """As a big export from SQLite is read, however small this one is."""
    with (
        snapshot(engine, request.zone.key, 60, lambda: datetime.now(UTC)) as taken,
        adbc_chunks.shared(taken, lambda: datetime.now(UTC)) as shared,
    ):
        assert shared.process is not None
        columns = _columns(shared.snapshot, request)
        expected = shared.snapshot.scalar(statement.count(request))
        fetched = adbc_chunks.fetch(shared, request, columns, expected)
        return _written(fetched, columns, request)


def joined(engine: Engine, request: ExportRequest) -> bytes:
    """As MariaDB's rows are read where all columns are of SQLAlchemy's own types."""
    with snapshot(engine, request.zone.key, 60, lambda: datetime.now(UTC)) as taken:
        columns = _columns(taken, request)
        assert concat_chunks.can_read(taken, request, columns)
        return _written(concat_chunks.fetch(taken, request, columns), columns, request)


def _written(fetched: Iterator[Chunk], columns: list[OutputColumn], request: ExportRequest) -> bytes:
    with closing(
        cast(Generator[Chunk, None, None], fetched)
    ):  # pytest's log would keep its cursor, and a lock
        report, zone = request.report, request.zone
        chunks = (transform_chunk(each, columns, report.transform, zone, report.file) for each in fetched)
        blocks = [
            (each.rows, csv_chunks.to_csv(each, columns, request.zone, request.dialect)) for each in chunks
        ]
    return _file(request, columns, blocks)


def hooked(request: ExportRequest) -> ExportRequest:
    """With a hook that changes nothing, so that each value goes into a frame and comes out of it."""
    return replace(request, report=replace(request.report, transform=lambda frame: frame))


def copied_through_frames(engine: Engine, request: ExportRequest) -> bytes:
    """As a report with a `transform` is read from PostgreSQL."""
    with snapshot(engine, request.zone.key, 60, lambda: datetime.now(UTC)) as taken:
        columns = _columns(taken, request)
        assert copy_chunks.can_read(taken, columns)
        fetched = copy_chunks.fetch(taken, request, columns)
        return _written(fetched, columns, request)


def _columns(taken: Snapshot, request: ExportRequest) -> list[OutputColumn]:
    return statement.output_columns(request, taken.questions(statement.questions(request)))


def _file(request: ExportRequest, columns: list[OutputColumn], blocks: list[tuple[int, bytes]]) -> bytes:
    top = header(columns, request.zone, request.dialect)
    with Packing(request.dialect, top, request.file_stem, sum(rows for rows, _ in blocks)) as packing:
        stored = [each for rows, data in blocks for each in packing.add(rows, data)]
        return b"".join([*stored, *packing.finish()])
