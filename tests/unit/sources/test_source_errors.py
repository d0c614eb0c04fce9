import sqlite3

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from flows.errors import ExportError, Internal, SourceCancelled, SourceTimeout, SourceUnavailable
from flows.sources.snapshot import classify, source_errors


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), SourceTimeout),
        (psycopg.errors.QueryCanceled("canceling statement due to user request"), SourceCancelled),
        (psycopg.errors.AdminShutdown("terminating connection"), SourceUnavailable),
        (psycopg.errors.SerializationFailure("could not serialize"), SourceUnavailable),
        (psycopg.errors.DeadlockDetected("deadlock detected"), SourceUnavailable),
        (psycopg.errors.TooManyConnections("too many clients"), SourceUnavailable),
        (psycopg.OperationalError("connection refused"), SourceUnavailable),
        (psycopg.errors.UndefinedColumn("no such column"), Internal),
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
    with pytest.raises(Internal), source_errors(), create_engine("sqlite://").connect() as connection:
        connection.execute(text("SELECT * FROM nothing"))


def test_errors_do_not_contain_the_drivers_text() -> None:
    secret = sqlite3.OperationalError("password=hunter2 host=db.internal")
    with pytest.raises(ExportError) as caught, source_errors():
        raise DBAPIError("SELECT 1", {}, secret)
    assert "hunter2" not in str(caught.value)
