"""Read rows as typed chunks from any database that SQLAlchemy supports."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, CursorResult, Dialect, Select
from sqlalchemy.types import TypeEngine

from flows.formats import cell_text
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import Values, packed, timestamps, unpacked
from flows.rows.columns import OutputColumn, Question
from flows.rows.json_documents import READ_JSON
from flows.rows.pipeline import Chunk, Opening
from flows.rows.row_errors import apply_to_column
from flows.sources import exact_types, sessions, sqlite_invalid_text
from flows.sources.protocol import Reading
from flows.sources.snapshot import Snapshot
from flows.sources.stored_values import ExactTimestamp

CHUNK_ROWS = 3000  # Smaller chunks need more calls into Arrow; larger chunks do not fit into a core's cache.

DriverRows: TypeAlias = Sequence[Sequence[Any]]
Converter = Callable[[Values], Values]


def can_read(reading: Reading) -> bool:
    return True


def rows(reading: Reading) -> Iterator[Opening | Chunk]:
    yield reading.opening
    yield from fetch(reading.snapshot, reading.request, reading.opening.read)


def fetch(
    snapshot: Snapshot,
    request: ExportRequest,
    columns: Sequence[OutputColumn],
    offset: int = 0,
    limit: int | None = None,
) -> Iterator[Chunk]:
    """Yield at most `limit` rows of the request in chunks, after skipping the first `offset` rows."""
    query = statement.rows(request, expressions(columns, request.report.key)).limit(limit)
    query = query.offset(offset) if offset else query

    def make_reader(result: CursorResult[Any]) -> Callable[[DriverRows], Chunk]:
        return partial(_chunk, columns=columns, converters=_converters(snapshot, query, result))

    with sqlite_invalid_text.name_invalid_text(snapshot, query, _selected(columns)):
        yield from fetch_with(make_reader, snapshot, query)


def fetch_with(
    make_reader: Callable[[CursorResult[Any]], Callable[[DriverRows], Chunk]],
    snapshot: Snapshot,
    query: Select[Any],
) -> Iterator[Chunk]:
    """Execute the query and yield its rows as chunks. `make_reader` returns a function that converts rows."""
    options = {"stream_results": True}  # A server-side cursor keeps only one chunk in memory.
    result = snapshot.connection.execute(query, execution_options=options)
    with sessions.query_ended(result):
        read = make_reader(result)
        while driver_rows := _next_rows(result):
            yield read(driver_rows)


def _next_rows(result: CursorResult[Any]) -> DriverRows:
    """Return the next rows from the driver, or an empty list after the last row.

    This bypasses SQLAlchemy's conversions, which work row by row. SQLAlchemy still closes the cursor after
    the last row.
    """
    if result.cursor is None:
        return []
    strategy: Any = result.cursor_strategy
    driver_rows: DriverRows = strategy.fetchmany(result, result.cursor, CHUNK_ROWS)
    return driver_rows


def expressions(
    columns: Sequence[OutputColumn], key: ColumnElement[Any] | None = None
) -> list[ColumnElement[Any]]:
    """Return expressions that read the exact values of the columns. If `key` is given, it comes last.

    All questions share one expression for the JSON that contains their answers.
    """
    exact = [exact_types.exact_expression(column) for column in _selected(columns)]
    labelled = exact if key is None else [*exact, key]
    return [expression.label(f"c{number}") for number, expression in enumerate(labelled)]


def _selected(columns: Sequence[OutputColumn]) -> list[OutputColumn]:
    """Return the columns that are not questions, followed by the first question if there is one.

    The first question stands for all questions, because they share the same JSON.
    """
    questions = [column for column in columns if column.question is not None]
    return [*(column for column in columns if column.question is None), *questions[:1]]


def chunk_of(rows: DriverRows, columns: Sequence[OutputColumn]) -> Chunk:
    """Build a chunk from rows that SQLAlchemy has already converted.

    Each row contains the values of `expressions`, with the report's key last.
    """
    return _chunk(rows, columns, [])


def _chunk(rows: DriverRows, columns: Sequence[OutputColumn], converters: Sequence[Converter]) -> Chunk:
    """Build a chunk from at least one row. If there are no converters, the values are used unchanged."""
    return chunk_of_columns(list(zip(*rows, strict=True)), columns, converters)


def chunk_of_columns(
    selected: Sequence[Values], columns: Sequence[OutputColumn], converters: Sequence[Converter]
) -> Chunk:
    """Build a chunk from columns that contain the values of `expressions`, with the report's key last."""
    keys = selected[-1]
    plain = [column for column in columns if column.question is None]
    values: dict[str, Values] = {
        column.key: column_values for column, column_values in zip(plain, selected, strict=False)
    }
    for column, convert in zip(plain, converters, strict=False):
        values[column.key] = apply_to_column(convert, values[column.key], column, keys)
    if len(plain) < len(columns):
        values |= _answers(unpacked(selected[len(plain)]), columns, keys)
    return Chunk([values[column.key] for column in columns], keys)


def _converters(snapshot: Snapshot, query: Select[Any], result: CursorResult[Any]) -> list[Converter]:
    """Return column-wise versions of the conversions that SQLAlchemy would apply to each value."""
    dialect = snapshot.connection.dialect
    cursor: Any = result.cursor
    described = zip(query.exported_columns, cursor.description, strict=True)
    return [converter(column.type, dialect, description[1]) for column, description in described]


def converter(kind: TypeEngine[Any], dialect: Dialect, driver_type: object = None) -> Converter:
    """Return the converter for a column of this type.

    `driver_type` is the type code from the driver's cursor description.
    """
    implementation = kind.dialect_impl(dialect)
    convert_one = implementation.result_processor(dialect, driver_type)
    is_iso_text = dialect.name == "sqlite" and isinstance(kind, ExactTimestamp)
    return partial(_convert, convert_one, is_iso_text)


def _convert(convert_one: Callable[[Any], Any] | None, is_iso_text: bool, values: Values) -> Values:
    if is_iso_text and (parsed := timestamps(values)) is not values:
        return parsed
    return packed(values if convert_one is None else list(map(convert_one, unpacked(values))))


def _answers(texts: Sequence[Any], columns: Sequence[OutputColumn], keys: Values) -> dict[str, Values]:
    questions = [(column, column.question) for column in columns if column.question is not None]
    documents = apply_to_column(_documents, texts, questions[0][0], keys)
    return {
        column.key: packed(
            apply_to_column(partial(_answer_texts, question=question), documents, column, keys)
        )
        for column, question in questions
    }


def _answer_texts(documents: Sequence[dict[str, Any]], question: Question) -> Sequence[Any]:
    key = question.key
    return cell_text.answer_texts([document.get(key) for document in documents], question)


def _documents(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Decode the answers of each row. Anything other than a JSON object becomes an empty dictionary.

    If possible, all answers are decoded in a single call, because this is faster than one call per row.
    """
    if len(values) > 1 and set(map(type, values)) == {str}:
        with suppress(ValueError):
            documents = READ_JSON(f"[{','.join(values)}]")
            if len(documents) == len(values):
                return [document if type(document) is dict else {} for document in documents]
    return [_document(value) for value in values]


def _document(value: Any) -> dict[str, Any]:
    text = value.decode() if isinstance(value, bytes) else value
    document = READ_JSON(text) if isinstance(text, str) else value
    return document if isinstance(document, dict) else {}
