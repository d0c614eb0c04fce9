"""Search Prefect's database for text."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.support.running_stack import Stack


@contextmanager
def prefects_tables(stack: Stack) -> Iterator[psycopg.Connection]:
    """Connect to the stack's Prefect database as the superuser."""
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def tables_with(connection: psycopg.Connection, word: str) -> list[str]:
    """Return the names of all tables with a row that contains the word."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE strpos(t::text, %s) > 0)")
    return [
        name
        for (name,) in tables
        if connection.execute(query.format(sql.Identifier(name)), [word]).fetchone() == (True,)
    ]
