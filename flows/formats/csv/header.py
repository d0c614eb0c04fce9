"""Build the header record of a CSV file."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import record, without_formulas
from flows.rows.columns import OutputColumn


def header(columns: Sequence[OutputColumn], zone: ZoneInfo, options: CsvOptions) -> bytes:
    if options.header == "none":
        return b""
    return record([name(column, zone, options) for column in columns], options).encode()


def name(column: OutputColumn, zone: ZoneInfo, options: CsvOptions) -> str:
    """Return the header text of a column.

    Local times are written without an offset. The label of a column with local times therefore includes the
    time zone.
    """
    if options.header == "keys":
        text = column.key
    elif options.date_times == "local" and column.zoned:
        text = f"{column.label} ({zone.key})"
    else:
        text = column.label
    return without_formulas(text) if options.formula_guard else text
