"""The export error that a driver's error means, by class and by error number.

Classes are those of PEP 249, which all drivers share; subclasses count as their base class.
Numbers are SQLSTATEs of PostgreSQL, result codes of SQLite, and error numbers of MariaDB and MySQL.
"""

import sqlite3

import psycopg
from sqlalchemy import exc

from flows.errors import (
    ExportError,
    Internal,
    SourceCancelled,
    SourceTimeout,
    SourceUnavailable,
    UnreadableRow,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_QUERY_CANCELED = "57014"
_TRANSACTION_TIMEOUT = "25P04"
_DATA = "22"
# Lost connections, conflicts, exhausted resources, locks, shutdown, I/O errors.
_TRANSIENT = ("08", "25P03", "40001", "40P01", "53", "55P03", "57P", "58000", "58030")
_SQLITE_PRIMARY = 0xFF  # the low byte of an extended result code
# Error numbers of both servers; 2000 to 2999 are the client library's.
# https://mariadb.com/kb/en/mariadb-error-code-reference/
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_MYSQL_NUMBERS: dict[type[ExportError], tuple[int, ...]] = {
    SourceTimeout: (1969, 3024),
    SourceCancelled: (1317,),
    # 0 is pymysql's number for a connection that is closed.
    SourceUnavailable: (
        0,
        1040,
        1044,
        1045,
        1049,
        1053,
        1130,
        1152,
        1159,
        1205,
        1213,
        1927,
        *range(2000, 3000),
    ),
    UnreadableRow: (1264, 1365, 1366, 1411, 1690),
}


def classify(error: BaseException | None, connection_lost: bool = False) -> ExportError:
    """Return the export error that an error of a driver, or SQLAlchemy's wrapper of it, means."""
    if isinstance(error, exc.DBAPIError):
        return classify(error.orig, connection_lost or error.connection_invalidated)
    meaning = _meaning(error)
    return SourceUnavailable() if connection_lost and isinstance(meaning, Internal) else meaning


def _meaning(error: BaseException | None) -> ExportError:
    if isinstance(error, psycopg.Error):
        return _postgresql(error)
    if isinstance(error, sqlite3.Error):
        return _sqlite(error)
    if _names(error) & {"DatabaseError", "InterfaceError"}:
        return _mysql(error)
    if isinstance(error, exc.TimeoutError | exc.DisconnectionError):  # no connection of the pool is free
        return SourceUnavailable()
    return Internal()


def _postgresql(error: psycopg.Error) -> ExportError:
    state = error.sqlstate
    if state is None:  # the client's own error: no server answered
        return SourceUnavailable() if isinstance(error, psycopg.OperationalError) else Internal()
    if state == _QUERY_CANCELED:
        return SourceTimeout() if "timeout" in str(error) else SourceCancelled()
    if state == _TRANSACTION_TIMEOUT:
        return SourceTimeout()
    if state.startswith(_DATA):
        return UnreadableRow()
    return SourceUnavailable() if state.startswith(_TRANSIENT) else Internal()


def is_invalid_text(error: BaseException | None) -> bool:
    """Return whether a text of SQLite is not UTF-8; Python's driver has no error code for that."""
    return isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error)


def _sqlite(error: sqlite3.Error) -> ExportError:
    code = getattr(error, "sqlite_errorcode", 0) & _SQLITE_PRIMARY
    if code == sqlite3.SQLITE_INTERRUPT:
        return SourceTimeout()
    if is_invalid_text(error):
        return UnreadableRow()
    # SQLite raises OperationalError for a missing table, too.
    is_outage = isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR
    return SourceUnavailable() if is_outage else Internal()


def _mysql(error: BaseException | None) -> ExportError:
    """The drivers of MariaDB and MySQL are optional, so their classes are known by name only."""
    number = error.args[0] if error is not None and error.args else None
    if not isinstance(number, int):
        return SourceUnavailable() if "OperationalError" in _names(error) else Internal()
    return next((kind() for kind, numbers in _MYSQL_NUMBERS.items() if number in numbers), Internal())


def _names(error: BaseException | None) -> set[str]:
    """Return the names of the error's class and its base classes."""
    return {kind.__name__ for kind in type(error).__mro__}
