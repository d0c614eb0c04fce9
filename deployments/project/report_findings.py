"""Run a report's queries against its database, and collect errors, warnings and timings."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, Engine, Select, Table, func, select

from api.tables import report_checks
from deployments.project import index_use
from flows.errors import DeclarationError, ExportError, InvalidRequest, SourceTimeout
from flows.query import statement
from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.rows.columns import type_name
from flows.sources import report_check, sqlalchemy_rows
from flows.sources.keys import key_check
from flows.sources.snapshot import Snapshot, snapshot

PAGE_ROWS = 25
MAX_EXAMPLE_DAYS = 31  # longest period of the example request


@dataclass(frozen=True)
class Finding:
    level: Literal["ok", "warning", "error"]
    text: str


def examine(report: Report, engine: Engine, seconds: int) -> Iterator[Finding]:
    """Yield the findings for a report. Each query may take up to `seconds` seconds."""
    with snapshot(engine, "UTC", seconds, _now) as opened:
        problem = _find_problem(report, opened)
    if problem is not None:
        yield Finding("error", problem)
        return
    for part in (_check_key, _check_period, _check_queries):
        try:  # A failed query aborts its transaction, so each check opens a new one.
            with snapshot(engine, "UTC", seconds, _now) as opened:
                yield from part(report, opened)
        except SourceTimeout:
            yield Finding("warning", f"A query took longer than {seconds} s. Use --seconds to allow more.")
        except ExportError as error:
            reason = error.__cause__.__cause__ if error.__cause__ is not None else None
            yield Finding("error", f"{error} {str(reason or '').partition(chr(10))[0]}".rstrip())


def _find_problem(report: Report, opened: Snapshot) -> str | None:
    if problem := report_check.find_problem(report, opened.connection):
        return problem
    try:
        report_checks.checked(report, opened.connection)
    except DeclarationError as error:
        return str(error)
    return None


def _check_key(report: Report, opened: Snapshot) -> Iterator[Finding]:
    keys = report.select.with_only_columns(report.key.label("key"), maintain_column_froms=True).order_by(None)
    problem = key_check.find_problem(opened.connection, report, keys.subquery())
    if problem is not None:
        yield Finding("error", str(problem))


def _check_period(report: Report, opened: Snapshot) -> Iterator[Finding]:
    if report.period is None:
        return
    keys = report.select.with_only_columns(report.key.label("key"), maintain_column_froms=True)
    query = keys.where(report.period.is_(None)).order_by(None)
    if rows := opened.scalar(select(func.count()).select_from(query.subquery())):
        text = f"The period is null in {rows:,} rows, which no export contains."
        yield Finding("warning", f"{text} If this is intended, exclude them in the select.")


def _check_queries(report: Report, opened: Snapshot) -> Iterator[Finding]:
    body = _example_body(report, opened)
    if body is None:
        yield Finding("warning", "The report has no rows, so its speed and indexes were not checked.")
        return
    try:
        request = parse_request(body, {report.name: report})
    except InvalidRequest as error:
        yield Finding("error", f"A request built from an existing row was rejected: {error}")
        return
    yield _run(request, opened)
    yield from _check_indexes(request, opened)


def _run(request: ExportRequest, opened: Snapshot) -> Finding:
    columns = statement.output_columns(request, opened.questions(statement.questions(request)))
    query = statement.rows(request, sqlalchemy_rows.expressions(columns)).limit(PAGE_ROWS)
    started_at = monotonic()
    rows = len(opened.connection.execute(query).all())
    page_at = monotonic()
    total = opened.scalar(statement.count(request))
    times = (page_at - started_at) * 1000, (monotonic() - page_at) * 1000
    return Finding(
        "ok",
        f"First page: {rows} rows in {times[0]:,.0f} ms. Count: {total:,} rows in {times[1]:,.0f} ms.",
    )


def _check_indexes(request: ExportRequest, opened: Snapshot) -> Iterator[Finding]:
    report, connection = request.report, opened.connection
    rows = report.select.with_only_columns(report.key, maintain_column_froms=True).order_by(None)
    values = request.scope
    for name, scope in report.scope.items():
        query = rows.where(scope.column == _typed(scope.column, values[name]))
        if not index_use.finds_by_index(connection, query, scope.column):
            yield _no_index(connection, f"scope {name!r}", scope.column)
    if report.period is not None and request.period is not None and not _ignores_indexes(report, opened):
        day = request.period.start.replace(tzinfo=None)
        start: Any = day.date() if type_name(report.period.type) == "date" else day
        query = rows.where(report.period >= start, report.period < start + timedelta(days=1))
        if not index_use.finds_by_index(connection, query, report.period):
            yield _no_index(connection, "period", report.period)
    first = statement.order(request)[0].expression
    query = rows.order_by(first.desc() if request.sort and request.sort[0].descending else first).limit(1)
    if not report.scope and not index_use.sorts_by_index(connection, query, first):
        yield _no_index(connection, "sort", first)


def _typed(column: ColumnElement[Any], text: str) -> Any:
    return int(text) if type_name(column.type) == "integer" else text


def _ignores_indexes(report: Report, opened: Snapshot) -> bool:
    """Return whether the database is unable to use an index for the period.

    This is the case for timestamps in SQLite, as docs/reports.md explains.
    """
    is_sqlite = opened.connection.dialect.name == "sqlite"
    return is_sqlite and report.period is not None and type_name(report.period.type) == "date-time"


def _no_index(connection: Connection, part: str, expression: ColumnElement[Any]) -> Finding:
    column = next(iter(expression.base_columns))  # the table's own column, even if the report uses an alias
    if not isinstance(column, Column) or not isinstance(column.table, Table):
        advice = "which is an expression. Create an index on the expression, or use an indexed column."
        return Finding("warning", f"No index for the {part}, {advice}")
    quote = connection.dialect.identifier_preparer
    example = f"CREATE INDEX ON {quote.format_table(column.table)} ({quote.format_column(column)})"
    return Finding("warning", f"No index for the {part}. Create one, for example: {example}")


def _example_body(report: Report, opened: Snapshot) -> dict[str, Any] | None:
    """Return a request body that selects existing rows, or None if the report has no rows."""
    scopes = list(report.scope.values())
    parts = [scope.column for scope in scopes] + ([report.period] if report.period is not None else [])
    query: Select[Any] = report.select.with_only_columns(
        *(parts or [report.key]), maintain_column_froms=True
    ).order_by(None)
    row = opened.connection.execute(query.where(*(part.is_not(None) for part in parts)).limit(1)).first()
    if row is None:
        return None
    body: dict[str, Any] = {"report": report.name}
    body |= dict(zip(report.scope, map(str, row), strict=False))
    return body | (_days(report, row[-1]) if report.period is not None else {})


def _days(report: Report, value: Any) -> dict[str, str]:
    """Return a period that starts on the day of `value`.

    The period is as long as the report allows, but not longer than MAX_EXAMPLE_DAYS.
    """
    day = date.fromisoformat(str(value)[:10])
    days = min(report.max_days or MAX_EXAMPLE_DAYS, MAX_EXAMPLE_DAYS)
    return {"from": day.isoformat(), "to": (day + timedelta(days=days - 1)).isoformat()}


def _now() -> datetime:
    return datetime.now(UTC)
