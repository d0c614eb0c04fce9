"""Connect to the source database and open one snapshot per export."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, Select, create_engine, event, exc, func, literal, select, text

from flows.errors import ExportError, SourceConflict, SourceTimeout, SourceUnavailable
from flows.rows.columns import Choice, Question
from flows.sources import postgresql_dates, postgresql_watchdog, sessions
from flows.sources.driver_errors import classify
from flows.sources.origin import UNKNOWN, Origin
from flows.sources.postgresql_watchdog import Backend, WatchedConnection

# These override the settings of the server and the role, so values are always printed in the same way.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}
# Makes the server check the client's connection while a query runs. Otherwise, if a run is killed during a
# sort, its query would keep running. The setting requires PostgreSQL 14 or later and does not exist on
# Windows.
_CHECK_CLIENT = text("""
    SELECT set_config(name, '1s', true) FROM pg_settings
    WHERE name = 'client_connection_check_interval' AND version() !~* 'windows|mingw|visual c'
""")
_CANCEL_SECONDS = 5
_ACTIVE = TransactionStatus.ACTIVE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """The settings of a database session.

    Timestamps are printed in the time zone `zone`. The server is checked after `silence_seconds` without
    data.
    """

    zone: str = "UTC"
    statement_seconds: int = 3600
    silence_seconds: float = math.inf
    settings: Mapping[str, str] = field(default_factory=dict)  # used by row-level security policies
    origin: Origin = UNKNOWN


@dataclass(frozen=True)
class Snapshot:
    """A connection whose transaction sees a single state of the database."""

    connection: Connection
    taken_at: datetime
    session: Session = Session()

    @property
    def is_postgresql(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def driver(self) -> Any:
        return self.connection.connection.driver_connection

    def scalar(self, statement: Select[Any]) -> Any:
        return self.connection.execute(statement).scalar_one()

    def allow_until(self, deadline: float) -> None:
        """Set PostgreSQL's statement timeout to the time left until `deadline`.

        `deadline` is a time.monotonic() value. Raises SourceTimeout if no time is left.
        """
        remaining_ms = int((deadline - monotonic()) * 1000)
        if remaining_ms <= 0:
            raise SourceTimeout
        self.scalar(select(func.set_config("statement_timeout", f"{remaining_ms}ms", literal(True))))

    def questions(self, statement: Select[Any] | None, choices: Select[Any] | None = None) -> list[Question]:
        if statement is None:
            return []
        by_question = self._choices(choices) if choices is not None else {}
        rows = self.connection.execute(statement)
        return [
            Question(str(key), str(label), bool(multiple), tuple(by_question.get(str(key), ())))
            for key, label, multiple in rows
        ]

    def _choices(self, statement: Select[Any]) -> dict[str, list[Choice]]:
        choices: dict[str, list[Choice]] = {}
        for question, code, label in self.connection.execute(statement):
            choice = Choice(str(code), str(code if label is None else label))
            choices.setdefault(str(question), []).append(choice)
        return choices


def open_engine(url: str, connect_seconds: int, **options: Any) -> Engine:
    """Create an engine that decodes JSON numbers exactly and watches psycopg connections."""
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": connect_seconds}
    engine = create_engine(
        url,
        json_deserializer=partial(json.loads, parse_float=Decimal),
        # SQLAlchemy would wrongly warn about cartesian products in queries with lateral subqueries.
        enable_from_linting=False,
        **options,
    )
    if engine.driver == "psycopg":
        event.listen(engine, "do_connect", _connect)
    return engine


def _connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> WatchedConnection:
    connection = postgresql_watchdog.connect(*arguments, **options)
    postgresql_dates.read_as_text(connection)
    return connection


@contextmanager
def snapshot(
    engine: Engine,
    zone: str,
    statement_seconds: int,
    clock: Callable[[], datetime],
    silence_seconds: float = math.inf,
    settings: Mapping[str, str] | None = None,
    origin: Origin = UNKNOWN,
) -> Iterator[Snapshot]:
    """Open a read-only transaction for an export and roll it back at the end of the block."""
    session = Session(zone, statement_seconds, silence_seconds, settings or {}, origin)
    with source_errors(), engine.connect() as connection, _cancel_on_error(connection):
        origin.mark(connection)
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield Snapshot(connection, _set_up(connection, session), session)
        else:
            with sessions.begin_snapshot(connection, statement_seconds):
                yield Snapshot(connection, clock().astimezone(UTC), session)


def _set_up(connection: Connection, session: Session) -> datetime:
    """Configure the session and return the time of the snapshot.

    The first statement takes the snapshot and also reads the time.
    """
    limit = f"{session.statement_seconds}s"
    settings = {**_SESSION, "TimeZone": session.zone, "statement_timeout": limit, **session.settings}
    settings["application_name"] = session.origin.application_name
    set_all = [func.set_config(name, value, literal(True)) for name, value in settings.items()]
    metadata = func.clock_timestamp(), func.pg_backend_pid(), func.pg_postmaster_start_time()
    taken_at, pid, server_started_at, *_ = connection.execute(select(*metadata, *set_all)).one()
    connection.execute(_CHECK_CLIENT)
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, WatchedConnection):
        backend = Backend(pid, server_started_at)
        driver.watch(backend, session.silence_seconds, longest_seconds=session.statement_seconds)
    snapshot_time: datetime = taken_at
    return snapshot_time.astimezone(UTC)


@contextmanager
def _cancel_on_error(connection: Connection) -> Iterator[None]:
    """If the block raises an exception, cancel the running query before the connection is closed."""
    try:
        yield
    except BaseException:
        if not (connection.closed or connection.invalidated):
            _cancel_query(connection)
        raise


def _cancel_query(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, psycopg.Connection) and driver.info.transaction_status == _ACTIVE:
        with suppress(psycopg.Error):
            driver.cancel_safe(timeout=_CANCEL_SECONDS)
        connection.invalidate()  # The result of the query is still pending.


@contextmanager
def source_errors() -> Iterator[None]:
    """Convert driver errors into export errors.

    The driver's message appears only in the log, because it may contain data.
    """
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as error:
        raise _logged(classify(error), error) from error


def _logged(meaning: ExportError, error: Exception) -> ExportError:
    """Log the error and return it.

    An outage is logged as a single line, because it recurs with every retry. Other errors are logged with a
    traceback.
    """
    if isinstance(meaning, SourceUnavailable | SourceConflict):
        logger.warning("the source database cannot be read at the moment: %s", str(error).partition("\n")[0])
    else:
        logger.error("the source database failed", exc_info=error)
    return meaning
