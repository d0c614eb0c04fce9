"""Python renders the CSV, in chunks, from any SQLAlchemy database; carries a report's `transform`."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, CursorResult, Select

from flows import cells, csv_columns, exact_reading, frames, other_databases
from flows.database import Snapshot
from flows.dialect import PRESETS, Dialect
from flows.errors import UnreadableRow
from flows.request import ExportRequest
from flows.statement import OutputColumn

CHUNK_ROWS = 1000  # what the caches of a core hold: five times as many take half as long again

logger = logging.getLogger(__name__)

_Values = Sequence[Any]
_Rows = Sequence[Sequence[Any]]
_Reader = Callable[[Any], Any]
_DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, as the values of each output column; `keys` tell the rows apart."""

    values: list[_Values]
    keys: _Values

    @property
    def rows(self) -> int:
        return len(self.keys)


def expressions(
    columns: Sequence[OutputColumn], key: ColumnElement[Any] | None = None
) -> list[ColumnElement[Any]]:
    """Each column as it is; the JSON of all questions is read once. Last the report's key, for errors."""
    plain = [column for column in columns if column.question is None]
    answers = [column for column in columns if column.question is not None][:1]
    wanted = [exact_reading.read(column) for column in plain + answers]
    return [each.label(f"c{number}") for number, each in enumerate(wanted + ([] if key is None else [key]))]


def fetch(
    snapshot: Snapshot,
    statement: Select[Any],
    columns: Sequence[OutputColumn],
    dialect: Dialect = PRESETS["plain"],
) -> Iterator[Chunk]:
    """Past SQLAlchemy's rows: a column of values is read at once. No chunk crosses a file's last row."""
    options = {"stream_results": True}  # a cursor of the server's, so that memory is one chunk
    result = snapshot.connection.execute(statement, execution_options=options)
    with other_databases.query_ended(result):
        readers = _readers(snapshot, statement, result)
        done = 0
        while rows := _next_rows(result, _next_size(done, dialect.split_rows)):
            yield _chunk(rows, columns, readers)
            done += len(rows)


def _next_rows(result: CursorResult[Any], size: int) -> _Rows:
    """The driver's own; none when there are no more, and SQLAlchemy has then closed the cursor."""
    if result.cursor is None:
        return []
    strategy: Any = result.cursor_strategy
    rows: _Rows = strategy.fetchmany(result, result.cursor, size)
    return rows


def chunk_of(rows: _Rows, columns: Sequence[OutputColumn]) -> Chunk:
    """`rows` hold the values of `expressions`, perhaps followed by others, the report's key last."""
    return _chunk(rows, columns, [])


def transformed(chunk: Chunk, read: Sequence[OutputColumn], request: ExportRequest, wanted: int) -> Chunk:
    """The first `wanted` columns of those read, through the report's hook; without one there is no frame."""
    if request.report.transform is None:
        return chunk
    return Chunk(frames.transformed(chunk.values, read, request)[:wanted], chunk.keys)


def to_csv(chunk: Chunk, columns: Sequence[OutputColumn], zone: ZoneInfo, dialect: Dialect) -> bytes:
    texts = [
        _all(
            partial(cells.column_texts, column=column, zone=zone, dialect=dialect), values, column, chunk.keys
        )
        for column, values in zip(columns, chunk.values, strict=True)
    ]
    try:
        return csv_columns.records(texts, dialect).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only JSON and SQLite can hold
        for column, cells_of_it in zip(columns, texts, strict=True):
            _all(_encoded, cells_of_it, column, chunk.keys)
        raise


def _next_size(done: int, split_rows: int | None) -> int:
    return CHUNK_ROWS if split_rows is None else min(CHUNK_ROWS, split_rows - done % split_rows)


def _readers(snapshot: Snapshot, statement: Select[Any], result: CursorResult[Any]) -> list[_Reader | None]:
    """What SQLAlchemy would pass each column's values through."""
    dialect = snapshot.connection.dialect
    cursor: Any = result.cursor
    return [
        column.type.dialect_impl(dialect).result_processor(dialect, described[1])
        for column, described in zip(statement.exported_columns, cursor.description, strict=True)
    ]


def _chunk(rows: _Rows, columns: Sequence[OutputColumn], readers: Sequence[_Reader | None]) -> Chunk:
    """At least one row; without `readers` the values are read already."""
    found: list[_Values] = list(zip(*rows, strict=True))
    keys = found[-1]
    plain = [column for column in columns if column.question is None]
    values: dict[str, _Values] = {column.key: each for column, each in zip(plain, found, strict=False)}
    for column, reader in zip(plain, readers, strict=False):
        if reader is not None:
            values[column.key] = _all(partial(_read, reader), values[column.key], column, keys)
    if len(plain) < len(columns):
        values |= _answers(found[len(plain)], columns, keys)
    return Chunk([values[column.key] for column in columns], keys)


def _answers(texts: _Values, columns: Sequence[OutputColumn], keys: _Values) -> dict[str, _Values]:
    asked = [(column, column.question) for column in columns if column.question is not None]
    documents = _all(_documents, texts, asked[0][0], keys)
    return {
        column.key: _all(partial(cells.answer_texts, question=question), documents, column, keys)
        for column, question in asked
    }


def _read(reader: _Reader, values: _Values) -> _Values:
    return list(map(reader, values))


def _documents(values: _Values) -> list[dict[str, Any]]:
    """Each row's answers; what is no object has none. All texts are read as one, which is faster."""
    if len(values) > 1 and set(map(type, values)) == {str}:
        with suppress(ValueError):
            found = _DECODER.decode(f"[{','.join(values)}]")
            if len(found) == len(values):
                return [each if type(each) is dict else {} for each in found]
    return [_document(value) for value in values]


def _document(value: Any) -> dict[str, Any]:
    text = value.decode() if isinstance(value, bytes) else value
    found = _DECODER.decode(text) if isinstance(text, str) else value
    return found if isinstance(found, dict) else {}


def _encoded(texts: Sequence[str | None]) -> list[bytes]:
    return [b"" if text is None else text.encode() for text in texts]


def _all(made: Callable[[Any], _Values], values: _Values, column: OutputColumn, keys: _Values) -> _Values:
    """`made` of all values at once; should that fail, the first that it cannot take is told."""
    try:
        return made(values)
    except Exception:
        for value, key in zip(values, keys, strict=True):
            with _told(column, key):
                made([value])
        raise


@contextmanager
def _told(column: OutputColumn, key: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        logger.exception("a row holds a value that cannot be read")
        where = f"Column {column.key} of the row whose key is {key}"
        raise UnreadableRow(f"{where} holds a value that cannot be written.") from error
