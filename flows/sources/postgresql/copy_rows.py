"""Let PostgreSQL render the CSV file by running COPY on the report's select."""

from collections.abc import Iterator

from flows.rows.pipeline import Opening, Records
from flows.sources.postgresql import copy_out, csv_expressions
from flows.sources.postgresql.failing_row import name_failing_row
from flows.sources.protocol import Reading


def can_read(reading: Reading) -> bool:
    if not reading.snapshot.is_postgresql or reading.request.copy_options is None:
        return False
    return len(reading.opening.columns) <= csv_expressions.MAX_COLUMNS


def rows(reading: Reading) -> Iterator[Opening | Records]:
    yield reading.opening
    request, columns, options = reading.request, reading.opening.columns, reading.request.copy_options
    assert options is not None  # noqa: S101 - can_read checks it
    with name_failing_row(reading.snapshot, request, columns, options):
        yield from copy_out.copy(reading.snapshot, copy_out.select_rows(request, columns, options), options)
