import socket
import sqlite3
from collections.abc import Iterator

import psycopg
import pymysql
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeoutError

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
from flows.sources.driver_errors import classify
from flows.sources.snapshot import open_engine, source_errors


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), SourceTimeout),
        (psycopg.errors.QueryCanceled("canceling statement due to user request"), SourceCancelled),
        (psycopg.errors.AdminShutdown("terminating connection"), SourceUnavailable),
        (psycopg.errors.SerializationFailure("could not serialize"), SourceConflict),
        (psycopg.errors.DeadlockDetected("deadlock detected"), SourceUnavailable),
        (psycopg.errors.TooManyConnections("too many clients"), SourceUnavailable),
        (psycopg.OperationalError("connection refused"), SourceUnavailable),
        (psycopg.errors.UndefinedColumn("no such column"), ReportInvalid),
        (psycopg.errors.InsufficientPrivilege("permission denied"), Internal),
        (ValueError("anything else"), Internal),
    ],
)
def test_driver_errors_are_classified(error: Exception, kind: type[ExportError]) -> None:
    assert type(classify(error)) is kind


def test_an_sqlite_file_that_cannot_be_opened_is_retried() -> None:
    engine = create_engine("sqlite:////nowhere/at/all.db")
    with pytest.raises(SourceUnavailable), source_errors(), engine.connect():
        pass


def test_a_missing_table_is_not_retried() -> None:
    with (
        pytest.raises(ReportInvalid, match="uses absent,"),
        source_errors(),
        create_engine("sqlite://").connect() as connection,
    ):
        connection.execute(text("SELECT * FROM absent"))


def test_errors_do_not_contain_the_drivers_text() -> None:
    secret = sqlite3.OperationalError("password=hunter2 host=db.internal")
    with pytest.raises(ExportError) as caught, source_errors():
        raise DBAPIError("SELECT 1", {}, secret)
    assert "hunter2" not in str(caught.value)


# SQLSTATE prefixes of transient errors. All other SQLSTATEs in psycopg's class tree map to Internal.
TRANSIENT = ("08", "25P03", "40001", "40P01", "53", "55P03", "57P", "58000", "58030")
# The expected error for each driver exception class without an SQLSTATE. The test fails if a new driver
# version adds such a class.
UNNUMBERED: dict[str, type[ExportError]] = {
    "psycopg.Error": Internal,
    "psycopg.InterfaceError": Internal,
    "psycopg.DatabaseError": SourceUnavailable,
    "psycopg.DataError": Internal,
    "psycopg.OperationalError": SourceUnavailable,
    "psycopg.errors.ConnectionTimeout": SourceUnavailable,
    "psycopg.errors.CancellationTimeout": SourceUnavailable,
    "psycopg.errors._WaitTimeout": SourceUnavailable,
    "psycopg.errors.PipelineAborted": SourceUnavailable,
    "psycopg.IntegrityError": Internal,
    "psycopg.InternalError": Internal,
    "psycopg.ProgrammingError": Internal,
    "psycopg.transaction.OutOfOrderTransactionNesting": Internal,
    "psycopg.NotSupportedError": Internal,
    "pymysql.err.Error": Internal,
    "pymysql.err.InterfaceError": Internal,
    "pymysql.err.DatabaseError": Internal,
    "pymysql.err.DataError": Internal,
    "pymysql.err.OperationalError": SourceUnavailable,
    "pymysql.err.IntegrityError": Internal,
    "pymysql.err.InternalError": Internal,
    "pymysql.err.ProgrammingError": Internal,
    "pymysql.err.NotSupportedError": Internal,
    "sqlite3.Error": Internal,
    "sqlite3.InterfaceError": Internal,
    "sqlite3.DatabaseError": Internal,
    "sqlite3.InternalError": Internal,
    "sqlite3.OperationalError": SourceUnavailable,
    "sqlite3.ProgrammingError": Internal,
    "sqlite3.IntegrityError": Internal,
    "sqlite3.DataError": Internal,
    "sqlite3.NotSupportedError": Internal,
}


def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Yield the class, followed by all of its subclasses that a database driver defines."""
    yield kind
    for subclass in kind.__subclasses__():
        if subclass.__module__.partition(".")[0] in {"psycopg", "pymysql", "sqlite3"}:
            yield from tree(subclass)


TREE = [kind for root in (psycopg.Error, pymysql.err.Error, sqlite3.Error) for kind in tree(root)]


def name(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def expected(kind: type[Exception]) -> type[ExportError]:
    state = getattr(kind, "sqlstate", None)
    if state is None:
        return UNNUMBERED[name(kind)]
    special = {"57014": SourceCancelled, "25P04": SourceTimeout, "40001": SourceConflict}
    if state in special or state.startswith("22"):
        return special.get(state, UnreadableRow)
    if state in ("42703", "42P01", "3F000"):
        return ReportInvalid
    return SourceUnavailable if state.startswith(TRANSIENT) else Internal


@pytest.mark.parametrize("kind", TREE, ids=name)
def test_every_driver_error_class_is_classified(kind: type[Exception]) -> None:
    assert type(classify(kind("anything"))) is expected(kind)
    assert type(classify(DBAPIError("SELECT 1", {}, kind("anything")))) is expected(kind)


def test_the_table_lists_only_existing_classes() -> None:
    assert set(UNNUMBERED) <= {name(kind) for kind in TREE}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.ConnectionTimeout("connection timeout expired"), SourceUnavailable),
        (
            psycopg.errors.TransactionTimeout("terminating connection due to transaction timeout"),
            SourceTimeout,
        ),
        (pymysql.err.OperationalError(2003, "Can't connect"), SourceUnavailable),
        (pymysql.err.OperationalError(1969, "max_statement_time exceeded"), SourceTimeout),
        (pymysql.err.InterfaceError(0, ""), SourceUnavailable),
        (pymysql.err.ProgrammingError(1146, "no such table"), ReportInvalid),
        (TimeoutError("not a driver's"), Internal),
        (SQLAlchemyTimeoutError("QueuePool limit reached"), SourceUnavailable),
    ],
)
def test_error_numbers_take_precedence_over_classes(error: Exception, kind: type[ExportError]) -> None:
    assert type(classify(error)) is kind


def test_a_timeout_that_closes_the_connection_is_still_a_timeout() -> None:
    error = psycopg.errors.TransactionTimeout("terminating connection due to transaction timeout")
    assert type(classify(error, connection_lost=True)) is SourceTimeout


def test_a_server_that_never_accepts_the_connection_is_retryable() -> None:
    """The kernel completes the TCP handshake, but no server reads from the socket."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://any@127.0.0.1:{silent.getsockname()[1]}/any"
        engine = open_engine(url, connect_seconds=2)
        with pytest.raises(SourceUnavailable), source_errors(), engine.connect():
            pass


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (
            psycopg.errors.UndefinedColumn("column orders.note does not exist\nLINE 1: SELECT ..."),
            "orders.note",
        ),
        (psycopg.errors.UndefinedColumn('column "note" does not exist'), "note"),
        (psycopg.errors.UndefinedTable('relation "orders" does not exist'), "orders"),
        (psycopg.errors.UndefinedTable("Relation „orders“ existiert nicht"), "orders"),
        (pymysql.err.OperationalError(1054, "Unknown column 'orders.note' in 'field list'"), "orders.note"),
        (pymysql.err.ProgrammingError(1146, "Table 'shop.orders' doesn't exist"), "shop.orders"),
    ],
)
def test_a_missing_column_or_table_is_named(error: Exception, missing: str) -> None:
    assert str(classify(error)) == f"The report uses {missing}, which the database does not have."


def test_a_missing_column_of_sqlite_is_named() -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
        with pytest.raises(ReportInvalid, match=r"uses t\.b,"), source_errors():
            connection.execute(text("SELECT t.b FROM t"))
