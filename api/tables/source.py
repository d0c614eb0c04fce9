"""Read table pages and choices from the source database, and check that ids in requests exist."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, CursorResult, Engine, Row, Select, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.util import find_tables

from api.settings import ApiSettings
from api.tables import cursor as cursors
from api.web.problems import Unavailable
from flows.errors import DeclarationError, FieldError, InvalidRequest, UnreadableRow
from flows.formats import cell_text
from flows.query import statement
from flows.query.question_keys import names_question
from flows.query.report import Report, Scope
from flows.query.request import ExportRequest
from flows.rows.arrow_columns import unpacked
from flows.rows.columns import OutputColumn
from flows.rows.pandas_frames import transform_chunk
from flows.sources import sqlalchemy_rows
from flows.sources.snapshot import Snapshot, open_engine, snapshot, source_errors

CONNECT_SECONDS = 2  # libpq does not support shorter timeouts
READERS = 20
PAGE_READERS = 14  # the others are reserved for checks of starts and of readiness
PAGE_READERS_PER_CALLER = 8
LOOKUP_SECONDS = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A page of the table.

    `rows` contain JSON values by column key. `next_cursor` is None on the last page.
    """

    rows: list[dict[str, Any]]
    total: int
    columns: list[OutputColumn]
    next_cursor: str | None


class Source:
    def __init__(self, settings: ApiSettings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        url = settings.database_url.get_secret_value()
        self._engine: Engine = open_engine(url, CONNECT_SECONDS, pool_pre_ping=True, pool_size=READERS)
        self._limiter = CapacityLimiter(READERS)

    async def check(self) -> None:
        """Raise Unavailable if the database does not respond."""
        await self._in_time(self._ping)

    async def check_request(self, request: ExportRequest) -> None:
        """Raise InvalidRequest if ids or questions in the request do not exist in the database."""
        await self._in_time(lambda: self._check_request(request))

    async def page(self, request: ExportRequest, size: int, number: int, cursor: str | None) -> Page:
        await self._in_time(self._ping)
        return await self._in_thread(lambda: self._page(request, size, number, cursor))

    async def choices(self, scope: Scope, search: str, limit: int) -> list[tuple[str, str]]:
        """Return the values that match the search as (value, title) pairs."""
        await self._in_time(self._ping)
        return await self._in_thread(lambda: self._choices(statement.scope_choices(scope, search, limit)))

    def missing_tables(self, report: Report) -> list[str]:
        """Return the report's tables that do not exist.

        Raises DeclarationError if all tables exist and the select fails.
        """
        with source_errors(), self._engine.connect() as connection:
            inspector = inspect(connection)
            tables = [table for part in report.select.get_final_froms() for table in find_tables(part)]
            missing = [t.fullname for t in tables if not inspector.has_table(t.name, schema=t.schema)]
            if not missing:
                self._try(report, connection)
            return missing

    def _try(self, report: Report, connection: Connection) -> None:
        try:
            connection.execute(report.select.limit(0))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise DeclarationError(f"{report.file}: {error.orig}") from error

    def close(self) -> None:
        self._engine.dispose()

    async def _in_time(self, work: Callable[[], T]) -> T:
        try:
            with anyio.fail_after(self._settings.outage_seconds):
                return await self._in_thread(work)
        except TimeoutError as error:
            raise Unavailable("The database that holds the report") from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)

    def _ping(self) -> None:
        with source_errors(), self._engine.connect() as connection:
            connection.execute(select(1))

    def _choices(self, query: Select[Any]) -> list[tuple[str, str]]:
        with snapshot(self._engine, "UTC", LOOKUP_SECONDS, self._clock) as opened:
            return [(str(value), title) for value, title in opened.connection.execute(query)]

    def _check_request(self, request: ExportRequest) -> None:
        with snapshot(self._engine, request.zone.key, LOOKUP_SECONDS, self._clock) as opened:
            self._check_known(request, opened)

    def _check_known(self, request: ExportRequest, opened: Snapshot) -> None:
        unknown = [
            name
            for name in request.report.scope
            if opened.connection.execute(statement.scope_exists(request, name)).first() is None
        ]
        if unknown:
            detail = "Unknown id."
            raise InvalidRequest([FieldError(f"/{name}", "unknown", detail) for name in unknown])
        if any(names_question(key, request.report) for key in request.columns or ()):
            self._columns(request, opened)

    def _columns(self, request: ExportRequest, opened: Snapshot) -> list[OutputColumn]:
        try:
            return statement.output_columns(request, opened.questions(statement.questions(request)))
        except KeyError as error:
            raise InvalidRequest.at("/columns", "unknown", f"Unknown column {error.args[0]!r}.") from None

    def _read(
        self, request: ExportRequest, columns: list[OutputColumn], opened: Snapshot
    ) -> list[OutputColumn]:
        if request.report.transform is None:
            return columns
        questions = opened.questions(statement.questions(request))
        return statement.columns_to_read(request, columns, questions)

    def _page(self, request: ExportRequest, size: int, number: int, cursor: str | None) -> Page:
        terms = statement.order(request)
        after = cursors.decode(cursor, request, terms) if cursor is not None else None
        with snapshot(self._engine, request.zone.key, self._settings.table_seconds, self._clock) as opened:
            self._check_known(request, opened)
            columns = self._columns(request, opened)
            read = self._read(request, columns, opened)
            expressions = sqlalchemy_rows.expressions(read)
            sort_values = [term.expression.label(f"s{number}") for number, term in enumerate(terms)]
            query = statement.rows(request, [*expressions, *sort_values])
            if after is not None:
                query = statement.rows_after(query, terms, after)
            else:
                query = query.offset((number - 1) * size)
            rows = _fetch_all(opened.connection.execute(query.limit(size + 1)))
            total = opened.scalar(statement.count(request))
        has_more, rows = len(rows) > size, rows[:size]
        last = [_with_zone(value) for value in rows[-1][len(expressions) :]] if has_more else None
        return Page(
            rows=_items(rows, columns, read, request),
            total=total,
            columns=columns,
            next_cursor=cursors.encode(request, last) if last is not None else None,
        )


def _fetch_all(result: CursorResult[Any]) -> Sequence[Row[Any]]:
    try:
        return result.all()
    # SQLite accepts any value in any column, including values that SQLAlchemy cannot convert.
    except (ValueError, ArithmeticError, TypeError) as error:
        raise UnreadableRow from error


def _with_zone(value: Any) -> Any:
    """Set the time zone of a naive timestamp to UTC. Databases without time zones store UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _items(
    rows: Sequence[Sequence[Any]],
    columns: list[OutputColumn],
    read: list[OutputColumn],
    request: ExportRequest,
) -> list[dict[str, Any]]:
    """Apply the report's transform and return the rows as JSON values by column key."""
    if not rows:
        return []
    report, chunk = request.report, sqlalchemy_rows.chunk_of(rows, read)
    chunk = transform_chunk(chunk, read, report.transform, request.zone, report.file).first_columns(
        len(columns)
    )
    return [
        {
            column.key: _json_value(value, column, request.zone)
            for column, value in zip(columns, row, strict=True)
        }
        for row in zip(*map(unpacked, chunk.values), strict=True)
    ]


def _json_value(value: Any, column: OutputColumn, zone: ZoneInfo) -> Any:
    """Return the value if JSON can represent it exactly, or its text as in the file."""
    if isinstance(value, float) and not math.isfinite(value):
        return cell_text.cell_text(value, column, zone)
    if isinstance(value, dict | list):  # may contain decimals
        return json.loads(cell_text.json_text(value))
    if isinstance(value, Decimal | datetime | date | time | UUID | bytes):
        return cell_text.cell_text(value, column, zone)
    return value
