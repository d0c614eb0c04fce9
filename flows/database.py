"""The source database: one snapshot per export, and what its errors mean."""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Select, create_engine, exc, func, literal, select

from flows.errors import ExportError, Internal, SourceCancelled, SourceTimeout, SourceUnavailable
from flows.statement import Question

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_QUERY_CANCELED = "57014"
_PASSING = ("08", "40001", "40P01", "53300", "57P01", "57P02", "57P03")

# Whatever the server or the role sets otherwise, texts come out the same.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A connection inside one repeatable-read transaction; all that it reads is of one moment."""

    connection: Connection
    taken_at: datetime

    @property
    def is_postgresql(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    def scalar(self, statement: Select[Any]) -> Any:
        return self.connection.execute(statement).scalar_one()

    def questions(self, statement: Select[Any] | None) -> list[Question]:
        if statement is None:
            return []
        found = self.connection.execute(statement)
        return [Question(str(key), str(label), bool(multiple)) for key, label, multiple in found]


def open_engine(url: str, connect_seconds: int, **options: Any) -> Engine:
    """An engine that reads JSON numbers exactly."""
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": connect_seconds}
    return create_engine(url, json_deserializer=partial(json.loads, parse_float=Decimal), **options)


@contextmanager
def snapshot(
    engine: Engine, zone: str, statement_seconds: int, clock: Callable[[], datetime]
) -> Iterator[Snapshot]:
    """Opens the transaction that everything of one export is read in; read only, rolled back at the end."""
    with source_errors(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            yield Snapshot(connection, _begin_postgresql(connection, zone, statement_seconds))
        else:
            _begin_other(connection)
            yield Snapshot(connection, clock().astimezone(UTC))


def _begin_postgresql(connection: Connection, zone: str, statement_seconds: int) -> datetime:
    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    session = {**_SESSION, "TimeZone": zone, "statement_timeout": f"{statement_seconds}s"}
    settings = [func.set_config(name, value, literal(True)) for name, value in session.items()]
    taken_at: datetime = connection.execute(select(func.clock_timestamp(), *settings)).scalar_one()
    return taken_at.astimezone(UTC)


def _begin_other(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 opens no transaction for reads by itself.
        connection.exec_driver_sql("BEGIN")
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


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
