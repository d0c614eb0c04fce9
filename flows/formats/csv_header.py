"""What the columns of the file are called. Pure."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from flows.formats.csv_options import Dialect
from flows.formats.csv_text import guarded, record
from flows.rows.columns import OutputColumn


def header(columns: Sequence[OutputColumn], zone: ZoneInfo, dialect: Dialect) -> bytes:
    if dialect.header == "none":
        return b""
    return record([name(column, zone, dialect) for column in columns], dialect).encode()


def name(column: OutputColumn, zone: ZoneInfo, dialect: Dialect) -> str:
    """A label says in which zone its times are, where they do not say so themselves."""
    if dialect.header == "keys":
        text = column.key
    elif dialect.date_times == "local" and column.zoned:
        text = f"{column.label} ({zone.key})"
    else:
        text = column.label
    return guarded(text) if dialect.formula_guard else text
