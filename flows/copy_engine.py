"""PostgreSQL renders the CSV itself: COPY of the report's select, one record per row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, String, Text, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from flows.database import Snapshot
from flows.errors import Incomplete
from flows.statement import OutputColumn, Question

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Records:
    """Some whole records as the database rendered them."""

    rows: int
    data: bytes


def expressions(columns: list[OutputColumn]) -> list[ColumnElement[Any]]:
    """Each column as the text that the file holds."""
    return [_as_text(column).label(f"c{number}") for number, column in enumerate(columns)]


def fetch(snapshot: Snapshot, statement: Select[Any]) -> Iterator[Records]:
    """Blocks of about 1 MiB; ends only after the server has confirmed as many rows as were read."""
    sql, parameters = _compiled(snapshot, statement)
    driver: Any = snapshot.connection.connection.driver_connection
    total, rows, buffer = 0, 0, bytearray()
    with driver.cursor() as cursor:
        with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)", parameters) as copy:
            for record in copy:  # psycopg yields one record at a time
                buffer += record
                rows += 1
                if len(buffer) >= BLOCK_BYTES:
                    yield Records(rows, bytes(buffer))
                    total += rows
                    rows = 0
                    buffer.clear()
        total += rows
        if cursor.rowcount != total:
            raise Incomplete
    if rows:
        yield Records(rows, bytes(buffer))


def _compiled(snapshot: Snapshot, statement: Select[Any]) -> tuple[str, dict[str, Any]]:
    """The SQL and its bound values, through each type's own binding, as SQLAlchemy would send them."""
    dialect = snapshot.connection.dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    processors: Any = compiled._bind_processors
    values = compiled.construct_params()
    return str(compiled), {
        name: processors[name](value) if name in processors else value for name, value in values.items()
    }


def _as_text(column: OutputColumn) -> ColumnElement[Any]:
    expression = column.expression
    if column.question is not None:
        return _answer(expression, column.question)
    if column.type == "boolean":
        return cast(expression, Text)
    if column.type == "json":
        return func.nullif(cast(expression, Text), "null", type_=Text)  # JSON's null is no value either
    if column.type == "date-time":
        zoned = bool(getattr(expression.type, "timezone", False))
        pattern = 'YYYY-MM-DD"T"HH24:MI:SS.US' + ("TZH:TZM" if zoned else "")
        return func.to_char(expression, pattern, type_=Text)
    return expression


def _answer(answers: ColumnElement[Any], question: Question) -> ColumnElement[Any]:
    key = literal(question.key, String)
    as_text = answers.op("->>", return_type=Text())(key)
    if not question.multiple:
        return as_text
    answer = cast(answers, JSONB).op("->", return_type=JSONB())(key)
    element = func.jsonb_array_elements_text(answer).column_valued("element")
    joined = select(func.string_agg(element, "; ")).scalar_subquery()
    return case((func.jsonb_typeof(answer) == "array", joined), else_=as_text)
