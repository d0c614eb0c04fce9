"""Read CSV with pyarrow, which distinguishes nulls from empty strings."""

import pyarrow as pa
from pyarrow import csv

Row = list[str | None]


def read(content: bytes) -> tuple[list[str], list[Row]]:
    """Return the header and the rows. All values are strings or None."""
    names = _parsed(content, read_rows=0).column_names
    table = _parsed(content, types=dict.fromkeys(names, pa.string()))
    return names, [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _parsed(
    content: bytes, types: dict[str, pa.DataType] | None = None, read_rows: int | None = None
) -> pa.Table:
    return csv.read_csv(
        pa.BufferReader(content),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
