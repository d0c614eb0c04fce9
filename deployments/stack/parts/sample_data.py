"""Create the sample surveys and orders. SQL statements generate the rows in the database."""

from pathlib import Path

import psycopg

HERE = Path(__file__).parent
LOCK = 668_000_001  # an arbitrary constant


def load(database_url: str, responses: int) -> bool:
    """Create the tables and rows in one transaction unless they exist. Return whether they were created."""
    with psycopg.connect(_without_driver(database_url), autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            if _has_table(connection, "surveys"):
                _add_choices(connection)  # earlier versions did not create the choices
                return False
            connection.execute((HERE / "sample_schema.sql").read_bytes())
            connection.execute("SELECT set_config('demo.responses', %s, true)", [str(responses)])
            connection.execute((HERE / "sample_rows.sql").read_bytes())
            _add_choices(connection)
        connection.execute("VACUUM (ANALYZE)")
    return True


def _add_choices(connection: psycopg.Connection) -> None:
    if not _has_table(connection, "survey_choices"):
        connection.execute((HERE / "sample_choices.sql").read_bytes())


def _has_table(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return bool(row and row[0])


def _without_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest
