"""Python renders the CSV, in chunks, from any SQLAlchemy database; carries a report's `transform`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, CursorResult, Select
from sqlalchemy import Dialect as SqlDialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from flows.formats import cell_text
from flows.formats.csv_options import PRESETS, Dialect
from flows.rows.arrow_columns import Values, moments, packed, unpacked
from flows.rows.columns import OutputColumn, Question
from flows.rows.pipeline import Chunk
from flows.rows.row_errors import apply_to_column
from flows.sources import exact_types, sessions, sqlite_invalid_text
from flows.sources.snapshot import Snapshot

CHUNK_ROWS = 3000  # fewer cost more calls of Arrow, more do not fit into a core's caches

Rows: TypeAlias = Sequence[Sequence[Any]]
Read = Callable[[Values], Values]


def expressions(
    columns: Sequence[OutputColumn], key: ColumnElement[Any] | None = None
) -> list[ColumnElement[Any]]:
    """Each column as it is; the JSON of all questions is read once. Last the report's key, for errors."""
    wanted = [exact_types.read(column) for column in _selected(columns)]
    return [each.label(f"c{number}") for number, each in enumerate(wanted + ([] if key is None else [key]))]


def _selected(columns: Sequence[OutputColumn]) -> list[OutputColumn]:
    """One stands for all questions."""
    asked = [column for column in columns if column.question is not None]
    return [*(column for column in columns if column.question is None), *asked[:1]]


def fetch(
    snapshot: Snapshot,
    statement: Select[Any],
    columns: Sequence[OutputColumn],
    dialect: Dialect = PRESETS["plain"],
    done: int = 0,
) -> Iterator[Chunk]:
    """Past SQLAlchemy's rows: a column of values is read at once. No chunk crosses a file's last row.

    `done` is how many of the request's rows are before the statement's first.
    """

    def reads(result: CursorResult[Any]) -> Callable[[Rows], Chunk]:
        return partial(_chunk, columns=columns, readers=_readers(snapshot, statement, result))

    with sqlite_invalid_text.told(snapshot, statement, _selected(columns)):
        yield from fetch_as(reads, snapshot, statement, dialect, done)


def fetch_as(
    reads: Callable[[CursorResult[Any]], Callable[[Rows], Chunk]],
    snapshot: Snapshot,
    statement: Select[Any],
    dialect: Dialect,
    done: int = 0,
) -> Iterator[Chunk]:
    """As `reads` makes chunks of the driver's rows."""
    options = {"stream_results": True}  # a cursor of the server's, so that memory is one chunk
    result = snapshot.connection.execute(statement, execution_options=options)
    with sessions.query_ended(result):
        read = reads(result)
        while rows := _next_rows(result, next_size(done, dialect.split_rows)):
            yield read(rows)
            done += len(rows)


def _next_rows(result: CursorResult[Any], size: int) -> Rows:
    """The driver's own; none when there are no more, and SQLAlchemy has then closed the cursor."""
    if result.cursor is None:
        return []
    strategy: Any = result.cursor_strategy
    rows: Rows = strategy.fetchmany(result, result.cursor, size)
    return rows


def chunk_of(rows: Rows, columns: Sequence[OutputColumn]) -> Chunk:
    """`rows` hold the values of `expressions`, perhaps followed by others, the report's key last."""
    return _chunk(rows, columns, [])


def next_size(done: int, split_rows: int | None) -> int:
    """Of the chunk that begins behind so many rows; the others begin where they do wherever this one does."""
    return min(size - done % size for size in (CHUNK_ROWS, split_rows) if size is not None)


def _readers(snapshot: Snapshot, statement: Select[Any], result: CursorResult[Any]) -> list[Read]:
    """What SQLAlchemy would pass each column's values through, for all of them at once."""
    dialect = snapshot.connection.dialect
    cursor: Any = result.cursor
    readers: list[Read] = []
    for column, described in zip(statement.exported_columns, cursor.description, strict=True):
        readers.append(reader(column.type, dialect, described[1]))
    return readers


def reader(kind: TypeEngine[Any], dialect: SqlDialect, driver_type: object = None) -> Read:
    """`driver_type` is what the driver's cursor says of the column."""
    kept = kind.dialect_impl(dialect)
    return partial(_read, kept.result_processor(dialect, driver_type), _keeps_iso_texts(kept))


def _keeps_iso_texts(kind: TypeEngine[Any]) -> bool:
    """SQLite's date-times, if nobody has given them another format."""
    return type(kind) is sqlite.DATETIME and not {"_storage_format", "_reg"} & vars(kind).keys()


def _read(read_one: Callable[[Any], Any] | None, are_iso_texts: bool, values: Values) -> Values:
    if are_iso_texts and (found := moments(values)) is not values:
        return found
    return packed(values if read_one is None else list(map(read_one, unpacked(values))))


def _chunk(rows: Rows, columns: Sequence[OutputColumn], readers: Sequence[Read]) -> Chunk:
    """At least one row; without `readers` the values are read already."""
    return chunk_of_columns(list(zip(*rows, strict=True)), columns, readers)


def chunk_of_columns(
    found: Sequence[Values], columns: Sequence[OutputColumn], readers: Sequence[Read]
) -> Chunk:
    """`found` are the values of `expressions`, the report's key last."""
    keys = found[-1]
    plain = [column for column in columns if column.question is None]
    values: dict[str, Values] = {column.key: each for column, each in zip(plain, found, strict=False)}
    for column, reader in zip(plain, readers, strict=False):
        values[column.key] = apply_to_column(reader, values[column.key], column, keys)
    if len(plain) < len(columns):
        values |= _answers(unpacked(found[len(plain)]), columns, keys)
    return Chunk([values[column.key] for column in columns], keys)


def _answers(texts: Sequence[Any], columns: Sequence[OutputColumn], keys: Values) -> dict[str, Values]:
    asked = [(column, column.question) for column in columns if column.question is not None]
    documents = apply_to_column(_documents, texts, asked[0][0], keys)
    return {
        column.key: packed(
            apply_to_column(partial(_answer_texts, question=question), documents, column, keys)
        )
        for column, question in asked
    }


def _answer_texts(documents: Sequence[dict[str, Any]], question: Question) -> Sequence[str | None]:
    key = question.key
    return cell_text.answer_texts([document.get(key) for document in documents], question)


def _documents(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Each row's answers; what is no object has none. All texts are read as one, which is faster."""
    if len(values) > 1 and set(map(type, values)) == {str}:
        with suppress(ValueError):
            found = cell_text.READ_JSON(f"[{','.join(values)}]")
            if len(found) == len(values):
                return [each if type(each) is dict else {} for each in found]
    return [_document(value) for value in values]


def _document(value: Any) -> dict[str, Any]:
    text = value.decode() if isinstance(value, bytes) else value
    found = cell_text.READ_JSON(text) if isinstance(text, str) else value
    return found if isinstance(found, dict) else {}
