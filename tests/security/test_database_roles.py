"""Test the permissions of the embedded database's roles.

At commit 4f602ff, the service and the Prefect server connected as a superuser and could run all the
statements that the tests expect to fail.
"""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from deployments.stack.parts.database_roles import hand_over
from tests.support.running_stack import Stack
from tests.support.security_table import Tally

NEW_OWNER = "new_owner"
OWNERS = """
    SELECT oid::regclass::text, relowner::regrole::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'S')
    UNION ALL
    SELECT oid::regtype::text, typowner::regrole::text FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
    UNION ALL
    SELECT oid::regprocedure::text, proowner::regrole::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proname = 'one'
"""
OLD_OBJECTS = """
    CREATE EXTENSION pg_trgm;
    CREATE TYPE kind AS ENUM ('a');
    CREATE TABLE items (id serial PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY, kind kind);
    CREATE VIEW items_view AS SELECT * FROM items;
    CREATE MATERIALIZED VIEW items_copy AS SELECT * FROM items;
    CREATE SEQUENCE "Free numbers";
    CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1;
"""


def libpq(url: str, database: str | None = None) -> str:
    base, _, name = url.replace("+psycopg", "").rpartition("/")
    return f"{base}/{database or name}"


@pytest.fixture
def reader(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(libpq(stack.database_url), autocommit=True) as connection:
        yield connection


def test_service_reads_but_does_not_write(reader: psycopg.Connection) -> None:
    assert reader.execute("SELECT count(*) FROM surveys").fetchone() == (4,)
    assert reader.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO surveys VALUES ('x', 'x', now())",
        "UPDATE survey_responses SET score = 0",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN x int",
        "CREATE TABLE x (a int)",
        "CREATE TEMPORARY TABLE x (a int)",
        "CREATE SCHEMA x",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT lo_create(0)",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT * FROM pg_authid",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'prefect'",
        "SET ROLE postgres",
        "SET ROLE prefect",
        "ALTER ROLE report_reader SUPERUSER",
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE EXTENSION adminpack",
    ],
)
def test_statement_is_not_allowed(reader: psycopg.Connection, statement: str, tally: Tally) -> None:
    reader.execute("SET default_transaction_read_only = off")  # the role itself must prevent writes
    with pytest.raises((InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
        reader.execute(statement.encode())
    tally.add(1)


@pytest.mark.parametrize("database", ["prefect", "postgres", "template1"])
def test_service_cannot_open_other_databases(stack: Stack, database: str, tally: Tally) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(libpq(stack.database_url, database))
    tally.add(1)


def test_prefect_reads_no_row_of_the_reports(stack: Stack, database: psycopg.Connection) -> None:
    rows = database.execute(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND has_table_privilege('prefect', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
    )
    assert rows.fetchone() == (0,)
    roles = database.execute("SELECT rolname FROM pg_roles WHERE rolsuper").fetchall()
    assert roles == [("postgres",)]
    owner = database.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'prefect'")
    assert owner.fetchone() == ("prefect",)


def test_tables_that_the_operator_adds_are_readable(
    reader: psycopg.Connection, database: psycopg.Connection
) -> None:
    database.execute("CREATE SCHEMA added; CREATE TABLE added.later AS SELECT 1 AS a")
    try:
        assert reader.execute("SELECT a FROM added.later").fetchone() == (1,)
    finally:
        database.execute("DROP SCHEMA added CASCADE")


@pytest.fixture
def old_database(stack: Stack, database: psycopg.Connection) -> Iterator[str]:
    """Create a database whose objects belong to the superuser, as in data directories of earlier versions."""
    name = Identifier("old_prefect")
    database.execute(SQL("CREATE DATABASE {}").format(name))
    database.execute(SQL("CREATE ROLE {}").format(Identifier(NEW_OWNER)))
    url = libpq(stack.admin_database_url, "old_prefect")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OLD_OBJECTS)
    yield url
    database.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    database.execute(SQL("DROP ROLE {}").format(Identifier(NEW_OWNER)))


def test_objects_of_earlier_versions_get_the_new_owner(old_database: str) -> None:
    async def twice() -> None:
        async with await psycopg.AsyncConnection.connect(old_database, autocommit=True) as connection:
            await hand_over(connection, NEW_OWNER)
            await hand_over(connection, NEW_OWNER)

    asyncio.run(twice())
    with psycopg.connect(old_database) as connection:
        owners = dict(connection.execute(OWNERS).fetchall())
    sequences = {"items_id_seq", "items_number_seq", '"Free numbers"'}
    assert set(owners) == {"items", "items_view", "items_copy", "kind", "one()"} | sequences
    assert set(owners.values()) == {NEW_OWNER}
