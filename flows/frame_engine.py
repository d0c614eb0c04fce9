"""pandas renders the CSV, in chunks, from any SQLAlchemy database; carries a report's `transform`."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import ColumnElement, Select

from flows import cells, dialect
from flows.database import Snapshot
from flows.errors import TransformFailed
from flows.report import Transform
from flows.statement import OutputColumn

CHUNK_ROWS = 2000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows as a frame of Python objects, a column per output column, named by key."""

    rows: int
    frame: pd.DataFrame


def expressions(columns: list[OutputColumn]) -> list[ColumnElement[Any]]:
    """Each column as it is; the JSON of all questions is read once, last."""
    plain = [column.expression for column in columns if column.question is None]
    answers = [column.expression for column in columns if column.question is not None][:1]
    return [each.label(f"c{number}") for number, each in enumerate(plain + answers)]


def fetch(snapshot: Snapshot, statement: Select[Any], columns: list[OutputColumn]) -> Iterator[Chunk]:
    connection = snapshot.connection.execution_options(yield_per=CHUNK_ROWS)
    for rows in connection.execute(statement).partitions():
        yield chunk_of(rows, columns)


def chunk_of(rows: Sequence[Sequence[Any]], columns: list[OutputColumn]) -> Chunk:
    """`rows` hold the values of `expressions`, perhaps followed by others; at least one row."""
    values = list(zip(*rows, strict=True))
    # Objects, not inferred types: a nullable integer must not become a float.
    frame = pd.DataFrame(
        {column.key: _values(values[at], column) for column, at in _places(columns)}, dtype=object
    )
    return Chunk(len(rows), frame)


def _values(values: tuple[Any, ...], column: OutputColumn) -> list[Any]:
    question = column.question
    return list(values) if question is None else [cells.answer_text(value, question) for value in values]


def transformed(chunk: Chunk, transform: Transform | None) -> Chunk:
    """Applies the report's hook, which may change values but neither rows nor columns."""
    if transform is None:
        return chunk
    try:
        frame = transform(chunk.frame.copy())
    except Exception as error:
        logger.exception("the report's transform failed")
        raise TransformFailed(f"The report's transform raised {type(error).__name__}.") from error
    if not isinstance(frame, pd.DataFrame):
        raise TransformFailed("The report's transform returned no DataFrame.")
    if len(frame) != chunk.rows:
        raise TransformFailed("The report's transform changed the number of rows.")
    missing = [key for key in chunk.frame.columns if key not in frame.columns]
    if missing:
        raise TransformFailed(f"The report's transform dropped {', '.join(missing)}.")
    kept = frame[list(chunk.frame.columns)].astype(object)
    return Chunk(chunk.rows, kept.where(kept.notna(), None))


def to_csv(chunk: Chunk, columns: list[OutputColumn], zone: ZoneInfo) -> bytes:
    texts = [
        [cells.cell_text(value, column, zone) for value in chunk.frame[column.key].tolist()]
        for column in columns
    ]
    return "".join(dialect.record(row) for row in zip(*texts, strict=True)).encode()


def _places(columns: list[OutputColumn]) -> list[tuple[OutputColumn, int]]:
    """Where each column's value stands in a row of `expressions`."""
    plain = [column for column in columns if column.question is None]
    place = {column.key: number for number, column in enumerate(plain)}
    return [(column, place.get(column.key, len(plain))) for column in columns]
