"""The header record of a CSV file."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from flows.formats.csv.options import CsvOptions
from flows.formats.csv.text import guarded, record
from flows.rows.columns import OutputColumn


def header(columns: Sequence[OutputColumn], zone: ZoneInfo, options: CsvOptions) -> bytes:
    if options.header == "none":
        return b""
    return record([name(column, zone, options) for column in columns], options).encode()


def name(column: OutputColumn, zone: ZoneInfo, options: CsvOptions) -> str:
    """Return a column's name; the label of local times without an offset includes the time zone."""
    if options.header == "keys":
        text = column.key
    elif options.date_times == "local" and column.zoned:
        text = f"{column.label} ({zone.key})"
    else:
        text = column.label
    return guarded(text) if options.formula_guard else text
