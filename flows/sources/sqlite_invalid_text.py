"""Find the row that contains invalid UTF-8 in an SQLite database.

The error from Python's driver does not name the row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError

from flows.errors import UnreadableRow
from flows.rows.columns import OutputColumn
from flows.sources import driver_errors
from flows.sources.snapshot import Snapshot

_INVALID = object()


@contextmanager
def name_invalid_text(
    snapshot: Snapshot, query: Select[Any], columns: Sequence[OutputColumn]
) -> Iterator[None]:
    """If the driver reports invalid UTF-8, raise UnreadableRow with the row's key and the column.

    The query must select `columns`, followed by the report's key.
    """
    try:
        yield
    except DBAPIError as error:
        if not driver_errors.is_invalid_text(error.orig):
            raise
        raise _find_row(snapshot, query, columns) from error


def _find_row(snapshot: Snapshot, query: Select[Any], columns: Sequence[OutputColumn]) -> UnreadableRow:
    snapshot.driver.text_factory = _decode
    try:
        result = snapshot.connection.execute(query)
        cursor: Any = result.cursor
        for *values, key in cursor:  # Bypass SQLAlchemy's types, which expect text.
            for column, value in zip(columns, values, strict=True):
                if value is _INVALID:
                    return UnreadableRow.at(column.key, key)
        return UnreadableRow()
    finally:
        snapshot.driver.text_factory = str


def _decode(data: bytes) -> object:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _INVALID
