"""Count the rows of a request, and find a key that is null or repeats."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, Subquery, distinct, func, select

from flows.errors import KeyInvalid
from flows.query import statement
from flows.query.report import Report
from flows.query.request import ExportRequest
from flows.sources.keys.unique_columns import unique_columns
from flows.sources.keys.unique_rows import has_unique_rows
from flows.sources.snapshot import Snapshot


def count_rows(snapshot: Snapshot, request: ExportRequest) -> int:
    """Count the rows of a request.

    Raises KeyInvalid if the key of the report is null in a row or repeats, because cursors and error messages
    identify rows by their key.
    """
    keys, connection = statement.keys(request), snapshot.connection
    is_unique = has_unique_rows(keys, request.report.key, lambda table: unique_columns(connection, table))
    key: ColumnElement[Any] = keys.subquery().c.key
    # Comparing the keys takes longer than counting them.
    counted = func.count(key if is_unique else distinct(key))
    rows, different = connection.execute(select(func.count(), counted)).one()
    if different < rows:
        raise find_problem(connection, request.report, keys.subquery()) or KeyInvalid()
    return rows


def find_problem(connection: Connection, report: Report, keys: Subquery) -> KeyInvalid | None:
    """Return an error that names a null or repeating key, or None. The only column of `keys` is the key."""
    key, name = keys.c.key, _name(report.key)
    if connection.execute(select(key).where(key.is_(None)).limit(1)).first() is not None:
        return KeyInvalid.null(name)
    repeated = select(key).group_by(key).having(func.count() > 1).order_by(key).limit(1)
    row = connection.execute(repeated).first()
    return KeyInvalid.repeated(name, row[0]) if row is not None else None


def _name(column: ColumnElement[Any]) -> str:
    return str(column.element if isinstance(column, Label) else column)
