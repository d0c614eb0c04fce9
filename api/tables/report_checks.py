"""Check what a report asks of its database: its select, its filters and its sort keys."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Interval, Select
from sqlalchemy.exc import DBAPIError

from flows.errors import DeclarationError
from flows.query.report import Report
from flows.sources.driver_errors import classify
from flows.sources.report_check import message


def checked(report: Report, connection: Connection) -> Report:
    """Return the report without the sort keys that its database cannot sort by.

    Raises DeclarationError if the select fails, or if a filter or the key cannot be compared.
    """
    _run(report, connection, report.select, "select")
    _check_filters(report, connection)
    _run(report, connection, _compared(report, *report.claims.values()), "claims")
    _run(report, connection, _compared(report, report.key).order_by(report.key), "key")
    columns = {key: report.table_columns[key].expression for key in report.sortable}
    if _error(connection, report.select.order_by(*columns.values())) is None:
        return report
    unsortable = [
        key
        for key, column in columns.items()
        if _error(connection, report.select.order_by(column)) is not None
    ]
    try:
        return replace(report, unsortable=frozenset(unsortable))
    except DeclarationError as error:
        raise DeclarationError(str(error)) from None


def _check_filters(report: Report, connection: Connection) -> None:
    columns = {name: filter_.column for name, filter_ in report.filter_columns.items()}
    if connection.dialect.name != "postgresql":
        _refuse_intervals(report, columns.items())
    elif _error(connection, _compared(report, *columns.values())) is not None:
        for name, column in columns.items():
            _run(report, connection, _compared(report, column), f"filters: {name!r}")


def _refuse_intervals(report: Report, filters: Iterable[tuple[str, ColumnElement[Any]]]) -> None:
    for name, column in filters:
        if isinstance(column.type, Interval):
            raise DeclarationError(f"filters: {name!r}: intervals can only be filtered on PostgreSQL")


def _compared(report: Report, *columns: ColumnElement[Any]) -> Select[Any]:
    return report.select.where(*(column == column for column in columns))


def _run(report: Report, connection: Connection, query: Select[Any], part: str) -> None:
    error = _error(connection, query)
    if error is not None:
        raise DeclarationError(f"{part}: {message(error)}") from error


def _error(connection: Connection, query: Select[Any]) -> DBAPIError | None:
    """Return the error of the query, which reads no rows. Raises it if the database cannot be reached."""
    is_postgresql = connection.dialect.name == "postgresql"
    try:
        with connection.begin_nested() if is_postgresql else nullcontext():
            connection.execute(query.limit(0))
    except DBAPIError as error:
        if classify(error).retryable:
            raise
        return error
    return None
