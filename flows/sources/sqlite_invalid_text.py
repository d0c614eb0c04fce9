"""Which row of an SQLite file holds a text that is not UTF-8: Python's driver does not say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError

from flows.errors import UnreadableRow
from flows.rows.columns import OutputColumn
from flows.sources import sessions
from flows.sources.snapshot import Snapshot

_UNDECODABLE = object()


@contextmanager
def told(snapshot: Snapshot, statement: Select[Any], columns: Sequence[OutputColumn]) -> Iterator[None]:
    """`columns` are those that the statement selects, before the report's key."""
    try:
        yield
    except DBAPIError as error:
        if not sessions.is_undecodable(error.orig):
            raise
        raise _found(snapshot, statement, columns) from error


def _found(snapshot: Snapshot, statement: Select[Any], columns: Sequence[OutputColumn]) -> UnreadableRow:
    snapshot.driver.text_factory = _decoded
    try:
        result = snapshot.connection.execute(statement)
        cursor: Any = result.cursor
        for *values, key in cursor:  # past SQLAlchemy's types, which take texts only
            for column, value in zip(columns, values, strict=True):
                if value is _UNDECODABLE:
                    return UnreadableRow.at(column.key, key)
        return UnreadableRow()
    finally:
        snapshot.driver.text_factory = str


def _decoded(data: bytes) -> object:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _UNDECODABLE
