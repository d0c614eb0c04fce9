"""Validate request values that only the database can check, such as `abc` for a column of IP addresses."""

from contextlib import nullcontext
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError

from flows.errors import FieldError, InvalidRequest, ReportInvalid, SourceTimeout
from flows.query import statement
from flows.query.request import ExportRequest
from flows.sources.driver_errors import classify
from flows.sources.snapshot import Snapshot


def check_filters(request: ExportRequest, opened: Snapshot) -> None:
    """Check that each filter's column accepts the filter's values.

    Raises InvalidRequest with an error for each filter whose values are rejected.
    """
    if not request.filters or accepted(opened, statement.without_rows(request, list(request.filters))):
        return
    refused = [
        name for name in request.filters if not accepted(opened, statement.without_rows(request, [name]))
    ]
    if refused:
        detail = "The column of this filter does not accept the value."
        raise InvalidRequest([FieldError(f"/filters/{name}", "invalid", detail) for name in refused])


def accepted(opened: Snapshot, query: Select[Any], has_row: bool = False) -> bool:
    """Return whether the database accepts the query's values.

    If `has_row` is true, the query must also return a row.
    """
    try:
        # After an error, PostgreSQL rejects all statements until a rollback to the savepoint.
        with opened.connection.begin_nested() if opened.is_postgresql else nullcontext():
            row = opened.connection.execute(query).first()
    except DBAPIError as error:
        meaning = classify(error)
        if meaning.retryable or isinstance(meaning, SourceTimeout | ReportInvalid):
            raise
        return False
    return row is not None or not has_row
