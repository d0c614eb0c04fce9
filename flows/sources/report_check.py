"""Check that a report can be read from its database."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Select, Table, exc, inspect, or_, select
from sqlalchemy.sql import visitors

from flows.errors import Internal, ReportInvalid
from flows.query.comparison import operand
from flows.query.report import Report
from flows.sources.driver_errors import classify

_PERMISSION_DENIED = "42501"  # PostgreSQL's SQLSTATE
_COMMAND_DENIED = (1142, 1143)  # MariaDB and MySQL error numbers for denied access to a table or a column


def find_problem(report: Report, connection: Connection) -> str | None:
    """Return the reason why the report cannot be read, such as a missing column, or None if it can be read.

    The report's queries are run with LIMIT 0. Raises ExportError if the database is currently unavailable.
    """
    try:
        for query in _queries(report):
            connection.execute(query).close()
    except exc.DBAPIError as error:
        meaning = classify(error)
        if not isinstance(meaning, Internal | ReportInvalid):
            raise meaning from error
        return _explain(report, error, connection)
    except exc.SQLAlchemyError as error:
        return f"The select cannot be compiled: {str(error).partition(chr(10))[0]}."
    return None


def _queries(report: Report) -> Iterator[Select[object]]:
    columns = report.select.exported_columns
    filters = [filter_.column for filter_ in report.filter_columns.values()]
    searched = [*(scope.column for scope in report.scope.values()), *filters]
    searched += [report.period] if report.period is not None else []
    query = report.select.with_only_columns(*columns, maintain_column_froms=True).order_by(None)
    if searched:
        query = query.where(or_(*(operand(column).is_(None) for column in searched)))
    yield query.order_by(report.key).limit(0)
    for scope in report.scope.values():
        yield select(scope.known, *([scope.title] if scope.title is not None else [])).limit(0)
    if report.questions is not None:
        yield report.questions.select.limit(0)
        yield select(report.questions.answers).limit(0)
        for column in report.questions.scope.values():
            yield select(column).limit(0)
        if report.questions.choices is not None:
            yield report.questions.choices.select.limit(0)
            for column in report.questions.choices.scope.values():
                yield select(column).limit(0)


def _explain(report: Report, error: exc.DBAPIError, connection: Connection) -> str:
    if _is_denied(error):
        return describe(error, report.database)
    connection.rollback()
    inspector = inspect(connection)
    for table in _tables(report):
        if not inspector.has_table(table.name, schema=table.schema):
            return f"The database has no table {table.fullname}."
        existing = [column["name"] for column in inspector.get_columns(table.name, schema=table.schema)]
        if missing := [column.name for column in table.columns if column.name not in existing]:
            return f"Table {table.fullname} has no column {missing[0]}. Its columns: {', '.join(existing)}."
    return describe(error, report.database)


def _tables(report: Report) -> list[Table]:
    parts = [part for query in _queries(report) for part in visitors.iterate(query)]
    parts += [part.table for part in parts if isinstance(part, Column) and part.table is not None]
    return list(dict.fromkeys(part for part in parts if isinstance(part, Table)))


def describe(error: exc.DBAPIError, database: str) -> str:
    """Return the driver's message, and advice if the role lacks a right.

    `database` is a name in REPORTS_DATABASES, or empty for REPORTS_DATABASE_URL.
    """
    role = f"database {database}" if database else "REPORTS_DATABASE_URL"
    advice = f" Grant SELECT to the role of {role}." if _is_denied(error) else ""
    return f"{message(error)}.{advice}"


def message(error: exc.DBAPIError) -> str:
    """Return the first line of the driver's message."""
    details = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    arguments = error.orig.args if error.orig is not None else ()
    text = details or (arguments[1] if len(arguments) > 1 else str(error.orig))
    line = str(text).partition("\n")[0].rstrip(".")
    return line[:1].upper() + line[1:]


def _is_denied(error: exc.DBAPIError) -> bool:
    arguments = error.orig.args if error.orig is not None else ()
    denied = bool(arguments) and arguments[0] in _COMMAND_DENIED
    return denied or getattr(error.orig, "sqlstate", None) == _PERMISSION_DENIED
