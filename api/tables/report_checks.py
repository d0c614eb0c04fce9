"""Check that the database supports a report's select, filters, claims and sort keys."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Interval, Select, literal
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from flows.errors import DeclarationError, UnreadableRow
from flows.query.bound_values import Bound
from flows.query.comparison import operand
from flows.query.report import Report
from flows.sources.driver_errors import classify
from flows.sources.report_check import message

# PostgreSQL converts this value to the column's type, or reports that the value is invalid for that type.
_ANY_TEXT = literal("", Bound(NullType()))
_GEOMETRY = 255  # https://mariadb.com/kb/en/result-set-packets/#field-types


def checked(report: Report, connection: Connection) -> Report:
    """Return the report without the sort keys that its database does not support.

    Raises DeclarationError if the select fails, or if the database cannot compare the values of the report's
    key, of a filter's column or of a claim's column.
    """
    _run(report, connection, report.select, "select")
    for name, column in _searched(report).items():
        _check_searched(report, connection, name, column)
    _run(report, connection, _continued(report, connection, report.key), "key")
    unsortable = [
        key
        for key in report.sortable
        if _error(connection, _continued(report, connection, report.table_columns[key].expression))
        is not None
    ]
    return replace(report, unsortable=frozenset(unsortable)) if unsortable else report


def _searched(report: Report) -> dict[str, ColumnElement[Any]]:
    filters = {f"filters: {name!r}": filter_.column for name, filter_ in report.filter_columns.items()}
    return filters | {f"claims: {name!r}": column for name, column in report.claims.items()}


def _check_searched(report: Report, connection: Connection, part: str, column: ColumnElement[Any]) -> None:
    if connection.dialect.name != "postgresql" and isinstance(column.type, Interval):
        raise DeclarationError(f"{part}: intervals can only be filtered on PostgreSQL")
    if _is_geometry(connection, report.select.with_only_columns(column)):
        raise DeclarationError(f"{part}: geometries cannot be filtered")
    if connection.dialect.name == "postgresql":
        _run(report, connection, report.select.where(operand(column) == _ANY_TEXT), part)


def _is_geometry(connection: Connection, query: Select[Any]) -> bool:
    if connection.dialect.name not in ("mysql", "mariadb"):
        return False
    with connection.execute(query.limit(0)) as nothing:
        cursor: Any = nothing.cursor
        return bool(cursor.description[0][1] == _GEOMETRY)


def _continued(report: Report, connection: Connection, column: ColumnElement[Any]) -> Select[Any]:
    """Return the query for a page that is sorted by `column` and follows a cursor.

    On PostgreSQL, the query also compares the column with a value, so that it fails if values of the column's
    type cannot be compared. The other databases can compare values of all types.
    """
    after, query = operand(column) > _ANY_TEXT, report.select.order_by(column)
    if connection.dialect.name != "postgresql":
        return query
    return query.having(after) if query._group_by_clauses else query.where(after)


def _run(report: Report, connection: Connection, query: Select[Any], part: str) -> None:
    error = _error(connection, query)
    if error is not None:
        raise DeclarationError(f"{part}: {message(error)}") from error


def _error(connection: Connection, query: Select[Any]) -> DBAPIError | None:
    """Run the query without reading rows. Return its error, or None.

    Errors about invalid values are ignored, because they show that the database can compare the column.
    Errors that a retry may resolve, such as a lost connection, are raised.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    try:
        with connection.begin_nested() if is_postgresql else nullcontext():
            connection.execute(query.limit(0))
    except DBAPIError as error:
        meaning = classify(error)
        if meaning.retryable:
            raise
        return None if isinstance(meaning, UnreadableRow) else error
    return None
