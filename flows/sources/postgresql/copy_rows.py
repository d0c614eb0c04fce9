"""PostgreSQL renders the CSV itself: COPY of the report's select, one record per row."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait
from sqlalchemy import Select, cast, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

from flows.errors import Incomplete
from flows.formats.csv_options import Dialect
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Records
from flows.sources.postgresql import csv_expressions
from flows.sources.snapshot import Snapshot

BLOCK_BYTES = 1 << 20
# PostgreSQL takes 1,664 in a select: https://www.postgresql.org/docs/current/limits.html
MOST_COLUMNS = 1600
# Whoever asks why a COPY has failed goes back to it, and is in the same snapshot.
BEFORE_COPY = "before_copy"
_LINE_FEED = b"\n"
_IS_OVER = -1


def select_rows(request: ExportRequest, columns: Sequence[OutputColumn]) -> Select[Any]:
    return statement.rows(
        request, csv_expressions.expressions(_unpacked_once(request, columns), request.dialect)
    )


def _unpacked_once(request: ExportRequest, columns: Sequence[OutputColumn]) -> list[OutputColumn]:
    """PostgreSQL would unpack a large JSON anew for each answer: 43 times as long with 300 of them."""
    questions = request.report.questions
    if questions is None or request.report.select._group_by_clauses:
        return list(columns)
    unpacked = cast(questions.answers, JSONB).op("||", return_type=JSONB())(literal_column("'{}'::jsonb"))
    beside = select(unpacked.label("answers")).correlate(*questions.answers._from_objects).offset(0)
    once = beside.lateral("unpacked").c.answers
    return [column if column.question is None else replace(column, expression=once) for column in columns]


def fetch(snapshot: Snapshot, wanted: Select[Any], dialect: Dialect) -> Iterator[Records]:
    """Blocks of about 1 MiB, none over a multiple of `split_rows`."""
    return split(copied(snapshot, wanted, dialect), dialect.split_rows)


def copied(snapshot: Snapshot, wanted: Select[Any], dialect: Dialect) -> Generator[Records, None, None]:
    """Ends only after the server has confirmed as many rows as were read."""
    sql, parameters = compiled(snapshot, wanted)
    copy = f"COPY ({sql}) TO STDOUT (FORMAT csv, DELIMITER '{dialect.delimiter}')"
    driver, line_end = snapshot.driver, dialect.line_end.encode()
    total, is_over = 0, False
    driver.execute(f"SAVEPOINT {BEFORE_COPY}")
    with driver.cursor() as cursor, cursor.copy(copy, parameters):
        while not is_over:
            rows, data, is_over = driver.wait(_next_block(driver.pgconn, line_end))
            total += rows
            if rows:
                yield Records(rows, bytes(data))
        if driver.wait(_confirmed_rows(driver.pgconn)) != total:
            raise Incomplete
    driver.execute(f"RELEASE SAVEPOINT {BEFORE_COPY}")


def _next_block(connection: PGconn, line_end: bytes) -> PQGen[tuple[int, bytearray, bool]]:
    """Rows, their records, and whether they were the last. psycopg's own loop waits anew for each record."""
    read, block, rows = connection.get_copy_data, bytearray(), 0
    while len(block) < BLOCK_BYTES:
        length, record = read(1)
        if length > 0:
            block += record
            rows += 1
            if line_end != _LINE_FEED:
                block[-1:] = line_end
        elif length == _IS_OVER:
            return rows, block, True
        else:
            while not (yield Wait.R):
                pass
            connection.consume_input()
    return rows, block, False


def _confirmed_rows(connection: PGconn) -> PQGen[int | None]:
    (result,) = yield from fetch_many(connection)
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)
    rows: int | None = result.command_tuples
    return rows


def split(blocks: Iterable[Records], at_rows: int | None) -> Iterator[Records]:
    """The same records, in blocks that do not reach over a multiple of `at_rows`."""
    passed = 0
    for block in blocks:
        while at_rows is not None and passed % at_rows + block.rows > at_rows:
            first, block = _cut(block, at_rows - passed % at_rows)
            passed += first.rows
            yield first
        passed += block.rows
        yield block


def _cut(block: Records, rows: int) -> tuple[Records, Records]:
    """A record ends at the first line feed that is not inside quotes; quotes within quotes are doubled."""
    data, end = block.data, 0
    for _ in range(rows):
        begin, end = end, data.index(_LINE_FEED, end) + 1
        while data.count(b'"', begin, end) % 2:
            end = data.index(_LINE_FEED, end) + 1
    return Records(rows, data[:end]), Records(block.rows - rows, data[end:])


def compiled(snapshot: Snapshot, wanted: Select[Any]) -> tuple[str, dict[str, Any]]:
    """The SQL and its bound values, through each type's own binding, as SQLAlchemy would send them."""
    dialect = snapshot.connection.dialect
    made = wanted.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    processors: Any = made._bind_processors
    values = made.construct_params()
    return str(made), {
        name: processors[name](value) if name in processors else value for name, value in values.items()
    }
