"""Share engines and connections between the exports of a process.

A new connection costs about as much CPU time as a small export, on the database server as well as here. The
server reads its catalogs again, and both sides compute the hashes of the login. A process therefore keeps the
connection to each PostgreSQL database until the process has been idle for a few seconds.
"""

from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.pool import NullPool

from flows.sources.postgresql_watchdog import WatchedConnection
from flows.sources.snapshot import open_engine

# After a failover, a busy process stays connected to the old address for at most this long.
MAX_CONNECTION_SECONDS = 60

_engines: dict[tuple[str, int], Engine] = {}


def shared_engine(url: str, connect_seconds: int) -> Engine:
    """Return this process's engine for a database.

    Exports share the engine, because each new engine queries the server's version and settings, and compiles
    every statement again.
    """
    key = url, connect_seconds
    if key not in _engines:
        _engines[key] = _open(url, connect_seconds)
    return _engines[key]


def close_idle_connections() -> None:
    for engine in _engines.values():
        engine.dispose()


def _open(url: str, connect_seconds: int) -> Engine:
    if not url.startswith("postgresql"):
        return open_engine(url, connect_seconds, poolclass=NullPool)
    engine = open_engine(
        url,
        connect_seconds,
        pool_size=1,
        pool_pre_ping=True,
        pool_recycle=MAX_CONNECTION_SECONDS,
        pool_reset_on_return=None,
    )
    event.listen(engine, "reset", _reset)
    return engine


def _reset(connection: Any, *_: Any) -> None:
    """Undo everything that an export may have changed in its session, such as advisory locks."""
    connection.rollback()
    if isinstance(connection, WatchedConnection):
        connection.expect_quick_results()
        try:
            connection.autocommit = True
            connection.execute("DISCARD ALL")
            connection.autocommit = False
        except psycopg.Error:  # the next export then opens a new connection
            connection.close()
