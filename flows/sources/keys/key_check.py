"""Count the rows of a request and check that no key is null or repeated."""

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

    Raises KeyInvalid if a key is null or repeated, because cursors and error messages identify rows by their
    keys.
    """
    keys, connection = statement.keys(request), snapshot.connection
    is_unique = has_unique_rows(
        keys,
        request.report.key,
        lambda table: unique_columns(connection, table),
        compares_text=connection.dialect.name == "postgresql",
    )
    key: ColumnElement[Any] = keys.subquery().c.key
    # Counting distinct keys is slow, so it is avoided if the keys are known to be unique.
    counted = func.count(key if is_unique else distinct(key))
    rows, different = connection.execute(select(func.count(), counted)).one()
    if different < rows:
        raise find_problem(connection, request.report, keys.subquery()) or KeyInvalid()
    return rows


def find_problem(connection: Connection, report: Report, keys: Subquery) -> KeyInvalid | None:
    """Return an error that names a null or repeated key, or None if there is no such key.

    The key is the only column of `keys`.
    """
    key, name = keys.c.key, _name(report.key)
    if connection.execute(select(key).where(key.is_(None)).limit(1)).first() is not None:
        return KeyInvalid.null(name)
    repeated = select(key).group_by(key).having(func.count() > 1).order_by(key).limit(1)
    row = connection.execute(repeated).first()
    return KeyInvalid.repeated(name, row[0]) if row is not None else None


def _name(column: ColumnElement[Any]) -> str:
    return str(column.element if isinstance(column, Label) else column)
