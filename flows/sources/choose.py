"""Choose how a request's rows are read."""

from collections.abc import Iterator, Sequence

from flows.errors import RowsLimit
from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk, Opening, Records
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.postgresql import copy_chunks, copy_rows, failing_row
from flows.sources.snapshot import Snapshot


def opening(taken: Snapshot, request: ExportRequest, rows_per_export: int) -> Opening:
    questions = taken.questions(statement.questions(request))
    columns = statement.output_columns(request, questions)
    expected = taken.scalar(statement.count(request))
    check_rows(expected, request.report.max_rows, rows_per_export)
    read = statement.columns_to_read(request, columns, questions)
    return Opening(expected, taken.taken_at, columns, read)


def rows(taken: Snapshot, request: ExportRequest, opening: Opening) -> Iterator[Records | Chunk]:
    columns, read = opening.columns, opening.read
    if uses_copy(taken, request, columns):
        wanted = copy_rows.select_rows(request, columns)
        with failing_row.told(taken, request, columns):
            yield from copy_rows.fetch(taken, wanted, request.dialect)
    elif copy_chunks.can_read(taken, read):
        with failing_row.told(taken, request, read):
            yield from copy_chunks.fetch(taken, request, read)
    elif concat_chunks.can_read(taken, request, read):
        yield from concat_chunks.fetch(taken, request, read)
    else:
        wanted = statement.rows(request, sqlalchemy_rows.expressions(read, request.report.key))
        yield from sqlalchemy_rows.fetch(taken, wanted, read, request.dialect)


def check_rows(expected: int, *limits: int | None) -> None:
    """RowsLimit above the least of them; None and 0 are no limit."""
    most = min(filter(None, limits), default=expected)
    if expected > most:
        raise RowsLimit(f"It would have {expected:,} rows, and {most:,} are the most. Narrow it down.")


def uses_copy(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> bool:
    fits = len(columns) <= copy_rows.MOST_COLUMNS
    return taken.is_postgresql and fits and request.report.transform is None
