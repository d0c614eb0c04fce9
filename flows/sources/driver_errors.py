"""Map database driver errors to export errors.

Errors are classified by exception class and by error code. All drivers use the exception classes of PEP 249.
The error code is the SQLSTATE for PostgreSQL, the result code for SQLite, and the server's error number for
MariaDB and MySQL.
"""

import re
import sqlite3

import psycopg
from sqlalchemy import exc

from flows.errors import (
    ExportError,
    Internal,
    ReportInvalid,
    SourceCancelled,
    SourceConflict,
    SourceTimeout,
    SourceUnavailable,
    UnreadableRow,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_QUERY_CANCELED = "57014"
_TRANSACTION_TIMEOUT = "25P04"
_DATA = "22"
# Serialization failure. A read-only snapshot fails with this error only if it conflicts with recovery on a
# replica.
_CONFLICT = "40001"
# SQLSTATE prefixes for lost connections, deadlocks, exhausted resources, unavailable locks, shutdowns and I/O
# errors.
_TRANSIENT = ("08", "25P03", "40P01", "53", "55P03", "57P", "58000", "58030")
# SQLSTATEs for columns, tables and schemas that do not exist.
_MISSING = ("42703", "42P01", "3F000")
_MYSQL_MISSING = (1054, 1146)
# Matches the missing name in an error message. PostgreSQL's translated messages put it in quotes.
_NAME = re.compile(
    r"""(?:column|relation|schema)\ "?([^"\s]+)"?\ does | no\ such\ \w+:\ (\S+) | ["'«„]([^"'»“]+)["'»“]""",
    re.X,
)
_SQLITE_PRIMARY = 0xFF  # Selects the low byte of an extended result code.
# Error numbers of MariaDB and MySQL. Numbers from 2000 to 2999 come from the client library.
# https://mariadb.com/kb/en/mariadb-error-code-reference/
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_MYSQL_NUMBERS: dict[type[ExportError], tuple[int, ...]] = {
    SourceTimeout: (1969, 3024),
    SourceCancelled: (1317,),
    # pymysql uses 0 for a closed connection.
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
    """Return the export error that corresponds to an error from a driver or from SQLAlchemy."""
    if isinstance(error, exc.DBAPIError):
        return classify(error.orig, connection_lost or error.connection_invalidated)
    export_error = _by_driver(error)
    return SourceUnavailable() if connection_lost and isinstance(export_error, Internal) else export_error


def _by_driver(error: BaseException | None) -> ExportError:
    if isinstance(error, psycopg.Error):
        return _postgresql(error)
    if isinstance(error, sqlite3.Error):
        return _sqlite(error)
    if _names(error) & {"DatabaseError", "InterfaceError"}:
        return _mysql(error)
    if isinstance(error, exc.TimeoutError | exc.DisconnectionError):  # The connection pool is exhausted.
        return SourceUnavailable()
    return Internal()


def _postgresql(error: psycopg.Error) -> ExportError:
    state = error.sqlstate
    if state is None:  # The error comes from the client, not from the server.
        # psycopg raises the base class itself if libpq has lost the connection or cannot parse a message.
        is_connection = isinstance(error, psycopg.OperationalError) or type(error) is psycopg.DatabaseError
        return SourceUnavailable() if is_connection else Internal()
    if state == _QUERY_CANCELED:
        return SourceTimeout() if "timeout" in str(error) else SourceCancelled()
    if state == _TRANSACTION_TIMEOUT:
        return SourceTimeout()
    if state == _CONFLICT:
        return SourceConflict()
    if state.startswith(_DATA):
        return UnreadableRow()
    if state in _MISSING:
        return _report_invalid(error)
    return SourceUnavailable() if state.startswith(_TRANSIENT) else Internal()


def _report_invalid(error: BaseException) -> ReportInvalid:
    """Return an error that contains the missing name but no other part of the driver's message."""
    name = _NAME.search(str(error.args[-1]) if error.args else "")
    return ReportInvalid.naming(next(filter(None, name.groups()))) if name else ReportInvalid()


def is_invalid_text(error: BaseException | None) -> bool:
    """Return whether Python's SQLite driver failed to decode text as UTF-8.

    The driver has no error code for this, so the message is checked.
    """
    return isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error)


def _sqlite(error: sqlite3.Error) -> ExportError:
    code = getattr(error, "sqlite_errorcode", 0) & _SQLITE_PRIMARY
    if code == sqlite3.SQLITE_INTERRUPT:
        return SourceTimeout()
    if is_invalid_text(error):
        return UnreadableRow()
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "):
        return _report_invalid(error)
    # SQLite also raises OperationalError for invalid SQL.
    is_outage = isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR
    return SourceUnavailable() if is_outage else Internal()


def _mysql(error: BaseException | None) -> ExportError:
    """Classify an error from MariaDB or MySQL.

    The drivers are optional dependencies, so the exception classes are compared by name.
    """
    number = error.args[0] if error is not None and error.args else None
    if not isinstance(number, int):
        return SourceUnavailable() if "OperationalError" in _names(error) else Internal()
    if error is not None and number in _MYSQL_MISSING:
        return _report_invalid(error)
    return next((kind() for kind, numbers in _MYSQL_NUMBERS.items() if number in numbers), Internal())


def _names(error: BaseException | None) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
