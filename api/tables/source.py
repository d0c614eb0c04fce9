"""What the API itself reads of the source database: pages of the table, and whether an id exists."""

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

CONNECT_SECONDS = 2  # the least that libpq takes
READERS = 20
LOOKUP_SECONDS = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """`rows` are ready for JSON, keyed like `columns`; `next_cursor` is None on the last page."""

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
        """Raises Unavailable when the database does not answer."""
        await self._in_time(self._ping)

    async def check_request(self, request: ExportRequest) -> None:
        """InvalidRequest when an id or a question that it names is not in the database."""
        await self._in_time(lambda: self._check_request(request))

    async def page(self, request: ExportRequest, size: int, number: int, cursor: str | None) -> Page:
        await self._in_time(self._ping)
        return await self._in_thread(lambda: self._page(request, size, number, cursor))

    async def choices(self, scope: Scope, search: str, limit: int) -> list[tuple[str, str]]:
        """(value, title) of what the search finds."""
        await self._in_time(self._ping)
        return await self._in_thread(lambda: self._choices(statement.scope_choices(scope, search, limit)))

    def missing_tables(self, report: Report) -> list[str]:
        """Of the report's; where none is missing and its select cannot run all the same, DeclarationError."""
        with source_errors(), self._engine.connect() as connection:
            known = inspect(connection)
            tables = [table for each in report.select.get_final_froms() for table in find_tables(each)]
            missing = [t.fullname for t in tables if not known.has_table(t.name, schema=t.schema)]
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

    def _choices(self, wanted: Select[Any]) -> list[tuple[str, str]]:
        with snapshot(self._engine, "UTC", LOOKUP_SECONDS, self._clock) as taken:
            return [(str(value), title) for value, title in taken.connection.execute(wanted)]

    def _check_request(self, request: ExportRequest) -> None:
        with snapshot(self._engine, request.zone.key, LOOKUP_SECONDS, self._clock) as taken:
            self._check_known(request, taken)

    def _check_known(self, request: ExportRequest, taken: Snapshot) -> None:
        for name in request.report.scope:
            if taken.connection.execute(statement.scope_exists(request, name)).first() is None:
                raise InvalidRequest([FieldError(f"/{name}", "unknown", "There is nothing with this id.")])
        if any(names_question(key, request.report) for key in request.columns or ()):
            self._columns(request, taken)

    def _columns(self, request: ExportRequest, taken: Snapshot) -> list[OutputColumn]:
        try:
            return statement.output_columns(request, taken.questions(statement.questions(request)))
        except KeyError as error:
            detail = f"There is no column {error.args[0]!r}."
            raise InvalidRequest([FieldError("/columns", "unknown", detail)]) from None

    def _read(
        self, request: ExportRequest, columns: list[OutputColumn], taken: Snapshot
    ) -> list[OutputColumn]:
        if request.report.transform is None:
            return columns
        questions = taken.questions(statement.questions(request))
        return statement.columns_to_read(request, columns, questions)

    def _page(self, request: ExportRequest, size: int, number: int, cursor: str | None) -> Page:
        terms = statement.order(request)
        after = cursors.decode(cursor, request, terms) if cursor is not None else None
        with snapshot(self._engine, request.zone.key, self._settings.table_seconds, self._clock) as taken:
            self._check_known(request, taken)
            columns = self._columns(request, taken)
            read = self._read(request, columns, taken)
            expressions = sqlalchemy_rows.expressions(read)
            sort_values = [term.expression.label(f"s{place}") for place, term in enumerate(terms)]
            wanted = statement.rows(request, [*expressions, *sort_values])
            if after is not None:
                wanted = statement.rows_after(wanted, terms, after)
            else:
                wanted = wanted.offset((number - 1) * size)
            found = _all(taken.connection.execute(wanted.limit(size + 1)))
            total = taken.scalar(statement.count(request))
        more, found = len(found) > size, found[:size]
        last = [_sortable(value) for value in found[-1][len(expressions) :]] if more else None
        return Page(
            rows=_items(found, columns, read, request),
            total=total,
            columns=columns,
            next_cursor=cursors.encode(request, last) if last is not None else None,
        )


def _all(result: CursorResult[Any]) -> Sequence[Row[Any]]:
    try:
        return result.all()
    # Of what SQLite, which takes anything in any column, holds where SQLAlchemy expects something else.
    except (ValueError, ArithmeticError, TypeError) as error:
        raise UnreadableRow from error


def _sortable(value: Any) -> Any:
    """An instant says its zone, whatever the database keeps."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _items(
    rows: Sequence[Sequence[Any]],
    columns: list[OutputColumn],
    read: list[OutputColumn],
    request: ExportRequest,
) -> list[dict[str, Any]]:
    """As the file has them, the report's transform included."""
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
    """Numbers and truth values as JSON has them; what JSON lacks, as the file's text."""
    if isinstance(value, float) and not math.isfinite(value):
        return cell_text.cell_text(value, column, zone)
    if isinstance(value, dict | list):  # with exact decimals in it
        return json.loads(cell_text.json_text(value))
    if isinstance(value, Decimal | datetime | date | time | UUID | bytes):
        return cell_text.cell_text(value, column, zone)
    return value
