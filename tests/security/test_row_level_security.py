"""Test that PostgreSQL's row-level security enforces the claims set in the snapshot's transaction."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, make_url, select
from sqlalchemy.pool import NullPool

from flows.query.report import Report
from flows.query.request import parse_request
from flows.query.row_rights import Claims, restrict_report, session_settings
from flows.sources.snapshot import open_engine, snapshot
from tests.support.engines import file_from_snapshot, now
from tests.support.running_stack import Stack

ROLE, WORD = "row_reader", "row-reader"
notes = Table(
    "row_notes", MetaData(), Column("id", Integer, primary_key=True), Column("team", String, nullable=False)
)
# Only the database restricts the rows of this report.
REPORT = Report(
    name="notes",
    title="Notes",
    select=select(notes.c.id, notes.c.team),
    key=notes.c.id,
    session_claims={"app.teams": "team"},
)
# The policy from docs/security.md.
POLICY = """
    CREATE TABLE row_notes (id int PRIMARY KEY, team text NOT NULL);
    INSERT INTO row_notes VALUES (1, 'north'), (2, 'south'), (3, 'north');
    GRANT SELECT ON row_notes TO row_reader;
    ALTER TABLE row_notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own_teams ON row_notes FOR SELECT TO row_reader USING (
        NULLIF(current_setting('app.teams', true), '')::jsonb ?| ARRAY['*', team]
    );
"""


@pytest.fixture(scope="module")
def reader_url(stack: Stack, scratch_url: str) -> Iterator[str]:
    """Return a URL that connects to the scratch database as a role that does not own the table."""
    with psycopg.connect(scratch_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{WORD}' NOSUPERUSER NOBYPASSRLS")
        connection.execute(POLICY)
        yield make_url(scratch_url).set(username=ROLE, password=WORD).render_as_string(hide_password=False)
        connection.execute(f"DROP TABLE row_notes; DROP ROLE {ROLE}")


def exported_ids(engine: Engine, claims: Claims | None) -> list[str]:
    report = restrict_report(REPORT, claims)
    request = parse_request({"report": "notes", "columns": ["id"]}, {"notes": report})
    with snapshot(engine, "UTC", 60, now, settings=session_settings(report)) as opened:
        return file_from_snapshot(opened, request).decode().split()[1:]


def test_the_database_returns_the_rows_of_the_claims(reader_url: str) -> None:
    engine = open_engine(reader_url, 5)  # the pool makes all transactions share one connection
    try:
        assert exported_ids(engine, {"team": frozenset({"north"})}) == ["1", "3"]
        assert exported_ids(engine, {"team": frozenset({"south", "west"})}) == ["2"]
        assert exported_ids(engine, {"team": frozenset()}) == []
        assert exported_ids(engine, {"team": frozenset({'north"], ["*'})}) == []
        assert exported_ids(engine, None) == ["1", "2", "3"]
        with engine.connect() as connection:
            assert connection.execute(select(notes.c.id)).all() == [], "a claim outlived its transaction"
    finally:
        engine.dispose()


def test_the_owner_of_the_table_is_not_restricted(reader_url: str, scratch_url: str) -> None:
    engine = open_engine(scratch_url, 5, poolclass=NullPool)
    assert exported_ids(engine, {"team": frozenset({"north"})}) == ["1", "2", "3"]
    engine.dispose()
