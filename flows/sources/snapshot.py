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

from flows.errors import ExportError, SourceTimeout, SourceUnavailable
from flows.rows.columns import Question
from flows.sources import postgresql_dates, postgresql_watchdog, sessions
from flows.sources.driver_errors import classify
from flows.sources.postgresql_watchdog import Backend, WatchedConnection

# These settings override those of the server and role, so that values are always printed the same way.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}
# Makes the server check for a disconnected client while a query runs. Otherwise a run that is killed during a
# sort would leave its query running. The setting exists since PostgreSQL 14, except on Windows.
_CHECK_CLIENT = text("""
    SELECT set_config(name, '1s', true) FROM pg_settings
    WHERE name = 'client_connection_check_interval' AND version() !~* 'windows|mingw|visual c'
""")
_CANCEL_SECONDS = 5
_ACTIVE = TransactionStatus.ACTIVE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """Session settings with the time zone of printed timestamps and the time limits.

    `silence_seconds` is the time without data after which the server is checked.
    """

    zone: str = "UTC"
    statement_seconds: int = 3600
    silence_seconds: float = math.inf
    settings: Mapping[str, str] = field(default_factory=dict)  # for row level security


@dataclass(frozen=True)
class Snapshot:
    """A connection in a repeatable-read transaction, which sees a single state of the database."""

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
        """Limit the next statement on PostgreSQL to the time left until `deadline`.

        `deadline` is a value of time.monotonic. Raises SourceTimeout if no time is left.
        """
        remaining_ms = int((deadline - monotonic()) * 1000)
        if remaining_ms <= 0:
            raise SourceTimeout
        self.scalar(select(func.set_config("statement_timeout", f"{remaining_ms}ms", literal(True))))

    def questions(self, statement: Select[Any] | None) -> list[Question]:
        if statement is None:
            return []
        rows = self.connection.execute(statement)
        return [Question(str(key), str(label), bool(multiple)) for key, label, multiple in rows]


def open_engine(url: str, connect_seconds: int, **options: Any) -> Engine:
    """Create an engine that decodes JSON numbers exactly and watches psycopg connections."""
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": connect_seconds}
    engine = create_engine(
        url,
        json_deserializer=partial(json.loads, parse_float=Decimal),
        # The warning about cartesian products is wrong for lateral subqueries.
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
) -> Iterator[Snapshot]:
    """Open the read-only transaction of an export and roll it back at the end."""
    session = Session(zone, statement_seconds, silence_seconds, settings or {})
    with source_errors(), engine.connect() as connection, _cancel_on_error(connection):
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield Snapshot(connection, _set_up(connection, session), session)
        else:
            with sessions.begin_snapshot(connection, statement_seconds):
                yield Snapshot(connection, clock().astimezone(UTC), session)


def _set_up(connection: Connection, session: Session) -> datetime:
    """Configure the session and return the time of the snapshot.

    The snapshot is taken by the first statement, which also reads the time.
    """
    limit = f"{session.statement_seconds}s"
    settings = {**_SESSION, "TimeZone": session.zone, "statement_timeout": limit, **session.settings}
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
    """If the block raises, cancel the running query before the connection is closed."""
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

    An outage is logged on one line, because every retry repeats it. Other errors are logged with a traceback.
    """
    if isinstance(meaning, SourceUnavailable):
        logger.warning("the source database cannot be reached: %s", str(error).partition("\n")[0])
    else:
        logger.error("the source database failed", exc_info=error)
    return meaning
