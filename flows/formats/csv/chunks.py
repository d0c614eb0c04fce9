"""Convert a chunk of typed columns to CSV records."""

from collections.abc import Sequence
from functools import partial
from zoneinfo import ZoneInfo

from flows.formats import column_text
from flows.formats.csv import records as csv_records
from flows.formats.csv.options import CsvOptions
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Chunk
from flows.rows.row_errors import apply_to_column


def to_csv(chunk: Chunk, columns: Sequence[OutputColumn], zone: ZoneInfo, options: CsvOptions) -> bytes:
    """Return the CSV records of a chunk.

    Raises UnreadableRow for a value that cannot be written as text.
    """
    texts = [
        apply_to_column(
            partial(column_text.texts, column=column, zone=zone, options=options),
            values,
            column,
            chunk.keys,
        )
        for column, values in zip(columns, chunk.values, strict=True)
    ]
    return csv_records.records(texts, options)
