"""Create roles in the embedded PostgreSQL for the service and for the Prefect server.

Neither role is a superuser, because a superuser can read files and run programs. Neither role can read the
other's tables. In data directories from earlier versions, the superuser owns everything. The statements run
at every start, so they also migrate these directories.
"""

from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier, Literal

from deployments.stack.parts.postgres import Cluster

READER, PREFECT_OWNER = "report_reader", "prefect"
REPORTS_DATABASE, PREFECT_DATABASE = "reports", "prefect"

READ_ONLY: tuple[LiteralString, ...] = (
    "ALTER ROLE report_reader SET default_transaction_read_only = on",
    "REVOKE TEMPORARY ON DATABASE reports FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC",
    # These statements apply to schemas and tables that the superuser creates later.
    "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO report_reader",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO report_reader",
)
CLOSED: tuple[LiteralString, ...] = (
    "ALTER DATABASE prefect OWNER TO prefect",
    "REVOKE ALL ON DATABASE prefect FROM PUBLIC",
    "REVOKE ALL ON DATABASE postgres FROM PUBLIC",
    "REVOKE ALL ON DATABASE template1 FROM PUBLIC",
)
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
# A sequence that belongs to a column changes owner along with the column's table. Objects that belong to
# extensions keep their owner.
SUPERUSERS_OBJECTS = """
    WITH owned AS (
        SELECT 'pg_class'::regclass AS catalog, oid,
            CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS name
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relowner = current_user::regrole
            AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'pg_type'::regclass, oid, 'TYPE', oid::regtype::text
        FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typowner = current_user::regrole
            AND typtype IN ('e', 'd', 'r')
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, 'ROUTINE', oid::regprocedure::text
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole
    )
    SELECT kind, name FROM owned
    WHERE NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = owned.catalog AND objid = owned.oid
            AND (deptype = 'e' OR (kind = 'SEQUENCE' AND deptype IN ('a', 'i')))
    )
"""


async def prepare_databases(cluster: Cluster) -> None:
    """Create missing roles and databases, and grant each role only the privileges that it needs."""
    async with await _connect(cluster, "postgres") as connection:
        for role in (READER, PREFECT_OWNER):
            await _create_role(connection, role, cluster.password(role))
        for database in (REPORTS_DATABASE, PREFECT_DATABASE):
            await _create_database(connection, database)
        await _execute_all(connection, CLOSED)
    async with await _connect(cluster, REPORTS_DATABASE) as connection:
        await _execute_all(connection, READ_ONLY)
        await grant_reading(connection)
    async with await _connect(cluster, PREFECT_DATABASE) as connection:
        await hand_over(connection, PREFECT_OWNER)


async def grant_reading(connection: AsyncConnection) -> None:
    """Grant the service's role SELECT on all existing tables."""
    for (name,) in await _rows(connection, SCHEMAS):
        schema, reader = Identifier(name), Identifier(READER)
        await connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, reader))
        await connection.execute(SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, reader))


async def hand_over(connection: AsyncConnection, role: str) -> None:
    """Make `role` the owner of everything that the superuser owns in the `public` schema.

    `REASSIGN OWNED` does not work here, because initdb created the superuser.
    """
    for kind, name in await _rows(connection, SUPERUSERS_OBJECTS):
        statement = SQL("ALTER {} {} OWNER TO {}").format(SQL(kind), SQL(name), Identifier(role))
        await connection.execute(statement)


async def _create_role(connection: AsyncConnection, role: str, password: str) -> None:
    if not await _rows(connection, SQL("SELECT FROM pg_roles WHERE rolname = {}").format(Literal(role))):
        await connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
    # The server logs the statement if it fails, so the statement must not contain the plaintext password.
    encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    statement = SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(encrypted.decode()))
    await connection.execute(statement)


async def _create_database(connection: AsyncConnection, name: str) -> None:
    if not await _rows(connection, SQL("SELECT FROM pg_database WHERE datname = {}").format(Literal(name))):
        await connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


async def _connect(cluster: Cluster, database: str) -> AsyncConnection:
    return await AsyncConnection.connect(cluster.url(database), autocommit=True)


async def _execute_all(connection: AsyncConnection, statements: tuple[LiteralString, ...]) -> None:
    for statement in statements:
        await connection.execute(statement)


async def _rows(connection: AsyncConnection, query: LiteralString | Composed) -> list[tuple[str, ...]]:
    return await (await connection.execute(query)).fetchall()
