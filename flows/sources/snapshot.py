"""The source database: one snapshot per export, and what its errors mean."""

import json
import logging
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, Select, create_engine, event, exc, func, literal, select, text

from flows.errors import (
    ExportError,
    Internal,
    SourceCancelled,
    SourceTimeout,
    SourceUnavailable,
    UnreadableRow,
)
from flows.rows.columns import Question
from flows.sources import postgresql_dates, postgresql_watchdog, sessions
from flows.sources.postgresql_watchdog import Backend, WatchedConnection

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_QUERY_CANCELED = "57014"
_DATA = "22"
_PASSING = ("08", "40001", "40P01", "53300", "57P01", "57P02", "57P03")

# Whatever the server or the role sets otherwise, texts come out the same.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}
# The server then looks after us while it works: a run that was killed in mid-sort leaves no query behind.
# Since PostgreSQL 14, and not where the server itself runs on Windows.
_LOOK_AFTER_CLIENT = text("""
    SELECT set_config(name, '1s', true) FROM pg_settings
    WHERE name = 'client_connection_check_interval' AND version() !~* 'windows|mingw|visual c'
""")
_CANCEL_SECONDS = 5
_ACTIVE = TransactionStatus.ACTIVE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """In which zone moments are written, and how long a statement may take, or the server be silent."""

    zone: str = "UTC"
    statement_seconds: int = 3600
    silence_seconds: float = math.inf


@dataclass(frozen=True)
class Snapshot:
    """A connection inside one repeatable-read transaction; all that it reads is of one moment."""

    connection: Connection
    taken_at: datetime
    session: Session = Session()

    @property
    def is_postgresql(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def driver(self) -> Any:
        """The driver's own connection."""
        return self.connection.connection.driver_connection

    def scalar(self, statement: Select[Any]) -> Any:
        return self.connection.execute(statement).scalar_one()

    def allow_until(self, until: float) -> None:
        """The limit is for all statements together up to `until`, by time.monotonic; PostgreSQL only."""
        left_ms = int((until - monotonic()) * 1000)
        if left_ms <= 0:
            raise SourceTimeout
        self.scalar(select(func.set_config("statement_timeout", f"{left_ms}ms", literal(True))))

    def questions(self, statement: Select[Any] | None) -> list[Question]:
        if statement is None:
            return []
        found = self.connection.execute(statement)
        return [Question(str(key), str(label), bool(multiple)) for key, label, multiple in found]


def open_engine(url: str, connect_seconds: int, **options: Any) -> Engine:
    """An engine that reads JSON numbers exactly, and whose psycopg connections can be watched."""
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": connect_seconds}
    engine = create_engine(url, json_deserializer=partial(json.loads, parse_float=Decimal), **options)
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
) -> Iterator[Snapshot]:
    """Opens the transaction that everything of one export is read in; read only, rolled back at the end."""
    session = Session(zone, statement_seconds, silence_seconds)
    with source_errors(), engine.connect() as connection, _no_query_left_behind(connection):
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield Snapshot(connection, _set_up(connection, session), session)
        else:
            with sessions.begun(connection, statement_seconds):
                yield Snapshot(connection, clock().astimezone(UTC), session)


def _set_up(connection: Connection, session: Session) -> datetime:
    """Gives the moment of the snapshot, which the first statement takes."""
    limit = f"{session.statement_seconds}s"
    settings = {**_SESSION, "TimeZone": session.zone, "statement_timeout": limit}
    set_all = [func.set_config(name, value, literal(True)) for name, value in settings.items()]
    facts = func.clock_timestamp(), func.pg_backend_pid(), func.pg_postmaster_start_time()
    taken_at, pid, server_started_at, *_ = connection.execute(select(*facts, *set_all)).one()
    connection.execute(_LOOK_AFTER_CLIENT)
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, WatchedConnection):
        backend = Backend(pid, server_started_at)
        driver.watch(backend, session.silence_seconds, longest_seconds=session.statement_seconds)
    moment: datetime = taken_at
    return moment.astimezone(UTC)


@contextmanager
def _no_query_left_behind(connection: Connection) -> Iterator[None]:
    """Whatever ends the block ends the query too, before the connection is given up."""
    try:
        yield
    except BaseException:
        if not (connection.closed or connection.invalidated):
            _end_query(connection)
        raise


def _end_query(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, psycopg.Connection) and driver.info.transaction_status == _ACTIVE:
        with suppress(psycopg.Error):
            driver.cancel_safe(timeout=_CANCEL_SECONDS)
        connection.invalidate()  # its answer is still to come


@contextmanager
def source_errors() -> Iterator[None]:
    """Turns a driver's errors into the export's own; the driver's text goes to the log only."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _logged(classify(error.orig, error.connection_invalidated), error) from error
    except psycopg.Error as error:
        raise _logged(classify(error), error) from error


def _logged(meaning: ExportError, error: Exception) -> ExportError:
    """An outage in one line, for it will be met again and again; anything else with its trace."""
    if isinstance(meaning, SourceUnavailable):
        logger.warning("the source database is not to be reached: %s", str(error).partition("\n")[0])
    else:
        logger.error("the source database failed", exc_info=error)
    return meaning


def classify(error: BaseException | None, connection_lost: bool = False) -> ExportError:
    state = getattr(error, "sqlstate", None) or ""
    if (elsewhere := sessions.classify(error)) is not None:
        return elsewhere
    if state.startswith(_DATA):
        return UnreadableRow()
    if state == _QUERY_CANCELED:
        return SourceTimeout() if "timeout" in str(error) else SourceCancelled()
    if connection_lost or state.startswith(_PASSING):
        return SourceUnavailable()
    if type(error).__name__ == "OperationalError" and not state and not _is_sqlite_sql_error(error):
        return SourceUnavailable()  # PEP 249 has this class, under this name, in every driver
    return Internal()


def _is_sqlite_sql_error(error: BaseException | None) -> bool:
    """SQLite says OperationalError of a missing table too."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
