"""Configure snapshots and time limits for SQLite, MariaDB and MySQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

_MYSQL = ("mysql", "mariadb")
# The number of virtual machine steps between two checks of the clock. SQLite executes this many steps in less
# than a millisecond.
_SQLITE_STEPS = 10_000


@contextmanager
def begin_snapshot(connection: Connection, statement_seconds: int) -> Iterator[None]:
    """Begin a read-only transaction with a time limit for its statements."""
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 does not start a transaction for reads.
        connection.exec_driver_sql("BEGIN")
        with _sqlite_limit(connection, statement_seconds):
            yield
        return
    if connection.dialect.name in _MYSQL:
        connection.execution_options(isolation_level="REPEATABLE READ")
        for setting in _mysql_session(connection, statement_seconds):
            connection.exec_driver_sql(f"SET SESSION {setting}")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    yield


@contextmanager
def query_ended(result: CursorResult[Any]) -> Iterator[None]:
    """Close the result at the end of the block.

    If the block raises an exception, kill the query first. A MySQL driver would otherwise read all remaining
    rows.
    """
    try:
        yield
    except BaseException:
        if not result.connection.closed:
            _kill_query(result.connection)
            with suppress(DBAPIError, result.dialect.loaded_dbapi.Error):
                result.close()
        raise
    result.close()


def _kill_query(connection: Connection) -> None:
    thread_id = getattr(connection.connection.driver_connection, "thread_id", None)
    if connection.dialect.name in _MYSQL and thread_id is not None:
        with suppress(DBAPIError), connection.engine.connect() as second:
            second.exec_driver_sql(f"KILL QUERY {int(thread_id())}")


def _mysql_session(connection: Connection, statement_seconds: int) -> list[str]:
    """Return the session settings that select UTC for TIMESTAMP columns and limit the time per statement.

    MariaDB and MySQL use different settings for the time limit.
    """
    if getattr(connection.dialect, "is_mariadb", False):
        return ["time_zone = '+00:00'", f"max_statement_time = {statement_seconds}"]
    return ["time_zone = '+00:00'", f"max_execution_time = {statement_seconds * 1000}"]


@contextmanager
def _sqlite_limit(connection: Connection, seconds: int) -> Iterator[None]:
    """Interrupt the snapshot's statements after `seconds`.

    SQLite itself has no setting for a time limit.
    """
    driver, deadline = connection.connection.driver_connection, monotonic() + seconds
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    driver.set_progress_handler(lambda: monotonic() > deadline, _SQLITE_STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
