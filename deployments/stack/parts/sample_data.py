"""Load the sample surveys and orders. SQL statements generate them in the database."""

from pathlib import Path

import psycopg

HERE = Path(__file__).parent
LOCK = 668_000_001  # an arbitrary constant


def load(database_url: str, responses: int) -> bool:
    """Create the tables and rows in one transaction unless they exist. Return whether they were created."""
    with psycopg.connect(_without_driver(database_url), autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            if _is_loaded(connection):
                return False
            connection.execute((HERE / "sample_schema.sql").read_bytes())
            connection.execute("SELECT set_config('demo.responses', %s, true)", [str(responses)])
            connection.execute((HERE / "sample_rows.sql").read_bytes())
        connection.execute("VACUUM (ANALYZE)")
    return True


def _is_loaded(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT to_regclass('surveys') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _without_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest
