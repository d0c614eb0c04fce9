"""Run COPY for a SELECT and read the CSV records."""

from collections.abc import Generator, Sequence
from typing import Any

from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait
from sqlalchemy import Select

from flows.errors import Incomplete
from flows.formats.csv.options import CsvOptions
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Records
from flows.sources.postgresql import csv_expressions
from flows.sources.snapshot import Snapshot

BLOCK_BYTES = 1 << 20
# Rolling back to this savepoint after a failed COPY keeps the snapshot.
BEFORE_COPY = "before_copy"
_LINE_FEED = b"\n"
_END_OF_COPY = -1


def select_rows(request: ExportRequest, columns: Sequence[OutputColumn], options: CsvOptions) -> Select[Any]:
    return statement.rows(
        request, csv_expressions.expressions(csv_expressions.decode_answers_once(request, columns), options)
    )


def copy(snapshot: Snapshot, query: Select[Any], options: CsvOptions) -> Generator[Records, None, None]:
    """Yield CSV records in blocks of about 1 MiB.

    Raises Incomplete if the server's final row count differs from the number of rows received.
    """
    sql, parameters = compiled(snapshot, query)
    command = f"COPY ({sql}) TO STDOUT (FORMAT csv, DELIMITER '{options.delimiter}')"
    command = snapshot.session.origin.comment + command
    driver, line_end = snapshot.driver, options.line_end.encode()
    total, is_last = 0, False
    driver.execute(f"SAVEPOINT {BEFORE_COPY}")
    with driver.cursor() as cursor, cursor.copy(command, parameters):
        while not is_last:
            rows, data, is_last = driver.wait(_next_block(driver.pgconn, line_end))
            total += rows
            if rows:
                yield Records(rows, bytes(data))
        if driver.wait(_confirmed_rows(driver.pgconn)) != total:
            raise Incomplete
    driver.execute(f"RELEASE SAVEPOINT {BEFORE_COPY}")


def _next_block(connection: PGconn, line_end: bytes) -> PQGen[tuple[int, bytearray, bool]]:
    """Read a block of records. Return its row count, its bytes, and whether it is the last block.

    psycopg's own loop would wait for the socket before each record.
    """
    read, block, rows = connection.get_copy_data, bytearray(), 0
    while len(block) < BLOCK_BYTES:
        length, record = read(1)
        if length > 0:
            block += record
            rows += 1
            if line_end != _LINE_FEED:
                block[-1:] = line_end
        elif length == _END_OF_COPY:
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


def compiled(snapshot: Snapshot, query: Select[Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL and the parameters, converted as SQLAlchemy would convert them.

    SQLAlchemy doubles every percent sign, but psycopg undoes this only if the SQL has parameters.
    """
    dialect = snapshot.connection.dialect
    compiled_statement = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    processors: Any = compiled_statement._bind_processors
    values = compiled_statement.construct_params()
    sql = str(compiled_statement) if values else str(compiled_statement) % ()
    return sql, {
        name: processors[name](value) if name in processors else value for name, value in values.items()
    }
