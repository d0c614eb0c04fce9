"""Read table pages and choices from the source database, and check that ids in requests exist."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, CursorResult, Row, Select
from sqlalchemy.exc import DBAPIError

from api.settings import ApiSettings
from api.tables import cursor as cursors
from api.tables import report_checks
from api.tables.databases import Databases
from api.tables.first_lines import first_lines
from api.tables.page_rows import PageRows
from api.tables.value_checks import accepted, check_filters
from flows import logs
from flows.errors import DeclarationError, FieldError, InvalidRequest, UnreadableRow
from flows.query import statement
from flows.query.questions.keys import names_question
from flows.query.report import Report, Scope
from flows.query.request import ExportRequest
from flows.query.row_rights import session_settings
from flows.rows.columns import OutputColumn, Question
from flows.sources import report_check
from flows.sources.driver_errors import classify
from flows.sources.origin import Origin
from flows.sources.snapshot import Snapshot, snapshot

PAGE_READERS = 14  # a database's other readers are reserved for readiness checks and starting exports
PAGE_READERS_PER_CALLER = 4  # with 8, other callers' requests took twice as long on a two-core machine
LOOKUP_SECONDS = 5
LINE_ROWS = 5  # number of rows in a preview of the file

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A page of the table.

    Each item of `rows` maps column keys to values. `next_cursor` is None on the last page. `lines` contains
    the first lines of the file and is set only for previews of text files.
    """

    rows: list[dict[str, Any]]
    total: int
    columns: list[OutputColumn]
    next_cursor: str | None
    lines: list[str] | None = None


class Source:
    def __init__(self, settings: ApiSettings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self._databases = Databases(settings)

    async def check(self) -> None:
        """Check that all databases respond.

        Raises Degraded if only some of them respond, and a different error if none of them responds.
        """
        await self._databases.check()

    async def check_request(self, request: ExportRequest) -> None:
        """Raise InvalidRequest if ids or questions in the request do not exist in the database."""
        await self._databases.of(request.report).in_time(lambda: self._check_request(request))

    async def page(
        self, request: ExportRequest, size: int, number: int, cursor: str | None, cells: str = "json"
    ) -> Page:
        """Return a page of the table.

        If `cells` is `text`, the values are formatted as in the file. If it is `json`, they are JSON values.
        """
        database = self._databases.of(request.report)
        await database.ping()
        return await database.in_thread(lambda: self._page(request, size, number, cursor, cells))

    async def preview(self, request: ExportRequest, size: int) -> Page:
        """Return the first page of the table.

        For a text file, `lines` contains the first lines of the file.
        """
        database = self._databases.of(request.report)
        await database.ping()
        return await database.in_thread(lambda: self._page(request, size, 1, None, "json", LINE_ROWS))

    async def choices(self, report: Report, scope: Scope, search: str, limit: int) -> list[tuple[str, str]]:
        """Return (value, title) pairs that match the search."""
        database = self._databases.of(report)
        await database.ping()
        query = statement.scope_choices(scope, search, limit)
        return await database.in_thread(lambda: self._choices(query, report))

    def check_report(self, report: Report) -> Report:
        """Return the report without the sort keys that its database does not support.

        Raises DeclarationError if the report cannot be read, for example because a column is missing.
        """
        engine = self._databases.of(report).engine
        with snapshot(engine, "UTC", LOOKUP_SECONDS, self._clock) as opened:
            if problem := report_check.find_problem(report, opened.connection):
                raise DeclarationError(problem)
            return report_checks.checked(report, opened.connection)

    def close(self) -> None:
        self._databases.close()

    def _choices(self, query: Select[Any], report: Report) -> list[tuple[str, str]]:
        with self._snapshot(report, "UTC", LOOKUP_SECONDS) as opened:
            return [(str(value), title) for value, title in opened.connection.execute(query)]

    def _snapshot(self, report: Report, zone: str, seconds: int) -> AbstractContextManager[Snapshot]:
        settings, origin = session_settings(report), Origin(report.name, caller=logs.bound("caller"))
        engine = self._databases.of(report).engine
        return snapshot(engine, zone, seconds, self._clock, settings=settings, origin=origin)

    def _check_request(self, request: ExportRequest) -> None:
        with self._snapshot(request.report, request.zone.key, LOOKUP_SECONDS) as opened:
            self._check_known(request, opened)

    def _check_known(self, request: ExportRequest, opened: Snapshot) -> None:
        unknown = [
            name
            for name in request.report.scope
            if not accepted(opened, statement.scope_exists(request, name), has_row=True)
        ]
        if unknown:
            detail = "Unknown id."
            raise InvalidRequest([FieldError(f"/{name}", "unknown", detail) for name in unknown])
        check_filters(request, opened)
        if any(names_question(key, request.report) for key in request.columns or ()):
            self._columns(request, opened)

    def _columns(self, request: ExportRequest, opened: Snapshot) -> list[OutputColumn]:
        try:
            return statement.output_columns(request, _questions(opened, request))
        except KeyError as error:
            raise InvalidRequest.at("/columns", "unknown", f"Unknown column {error.args[0]!r}.") from None

    def _read(
        self, request: ExportRequest, columns: list[OutputColumn], opened: Snapshot
    ) -> list[OutputColumn]:
        if request.report.transform is None:
            return columns
        questions = _questions(opened, request)
        return statement.columns_to_read(request, columns, questions)

    def _page(
        self,
        request: ExportRequest,
        size: int,
        number: int,
        cursor: str | None,
        cells: str,
        line_rows: int = 0,
    ) -> Page:
        terms = statement.order(request)
        after = cursors.decode(cursor, request, terms) if cursor is not None else None
        with self._snapshot(request.report, request.zone.key, self._settings.table_seconds) as opened:
            self._check_known(request, opened)
            columns = self._columns(request, opened)
            read = self._read(request, columns, opened)
            page_rows = PageRows(opened, request, columns, read)
            expressions = page_rows.expressions()
            selected = [*expressions, *statement.cursor_values(terms)]
            total = opened.scalar(statement.count(request))
            if after is not None:
                query = statement.rows_after(statement.rows(request, selected), terms, after)
                rows = _after_cursor(opened, query.limit(size + 1))
            else:
                rows = numbered_page(opened, request, selected, (number - 1) * size, size + 1, total)
            lines = first_lines(opened, request, columns, read, total, line_rows) if line_rows else None
        has_more, rows = len(rows) > size, rows[:size]
        return Page(
            rows=page_rows.items(rows, cells),
            total=total,
            columns=columns,
            next_cursor=cursors.encode(request, rows[-1][len(expressions) :]) if has_more else None,
            lines=lines,
        )


def numbered_page(
    opened: Snapshot,
    request: ExportRequest,
    selected: Sequence[ColumnElement[Any]],
    first: int,
    limit: int,
    total: int,
) -> Sequence[Row[Any]]:
    """Fetch at most `limit` rows, starting with the row at index `first`.

    The database reads all rows up to the last one on the page. Pages in the second half of the table are
    therefore read backward from the end.
    """
    count = max(0, min(limit, total - first))
    if count == 0 or first <= total // 2:
        query = statement.rows(request, selected).offset(min(first, total)).limit(count)
        return _fetch_all(opened.connection.execute(query))
    query = statement.rows(request, selected, backward=True).offset(total - first - count).limit(count)
    return _fetch_all(opened.connection.execute(query))[::-1]


def _after_cursor(opened: Snapshot, query: Select[Any]) -> Sequence[Row[Any]]:
    """Fetch the rows. Raises InvalidRequest if the database rejects the values in the client's cursor."""
    try:
        return _fetch_all(opened.connection.execute(query))
    except (DBAPIError, OverflowError) as error:
        is_refused = isinstance(error, OverflowError) or isinstance(classify(error), UnreadableRow)
        if not is_refused:
            raise
        raise cursors.malformed() from error


def _fetch_all(result: CursorResult[Any]) -> Sequence[Row[Any]]:
    try:
        return result.all()
    # SQLite accepts any value in any column, including values that SQLAlchemy cannot convert.
    except (ValueError, ArithmeticError, TypeError) as error:
        raise UnreadableRow from error


def _questions(opened: Snapshot, request: ExportRequest) -> list[Question]:
    return opened.questions(statement.questions(request), statement.choices(request))
