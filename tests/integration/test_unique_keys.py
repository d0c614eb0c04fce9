"""Test that exports detect null and repeated keys on PostgreSQL, SQLite and MariaDB."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from flows.errors import KeyInvalid
from flows.query.report import Report
from flows.query.request import parse_request
from flows.sources import choose
from flows.sources.keys.unique_columns import unique_columns
from flows.sources.protocol import Reading
from flows.sources.snapshot import open_engine, snapshot
from tests.support import mariadb

metadata = MetaData()
parcels = Table(
    "parcels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(20), unique=True),
    Column("depot", String(20)),
    Column("shelf", Integer),
    UniqueConstraint("depot", "shelf"),
)
stops = Table(
    "stops",
    metadata,
    Column("parcel_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
)
KEYS = [frozenset({"id"}), frozenset({"code"}), frozenset({"depot", "shelf"})]


@pytest.fixture(scope="module", params=["postgresql", "sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "mariadb":
        with mariadb.running() as url:
            yield from filled(url)
    elif request.param == "sqlite":
        yield from filled(f"sqlite:///{tmp_path_factory.mktemp('keys') / 'keys.db'}")
    else:
        yield from filled(request.getfixturevalue("scratch_url"))


def filled(url: str) -> Iterator[Engine]:
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for number in range(1, 6):
            row = {"id": number, "code": f"c{number}" if number > 1 else None, "depot": "d", "shelf": number}
            connection.execute(insert(parcels).values(row))
        connection.execute(insert(stops), [{"parcel_id": 3, "number": number} for number in (1, 2)])
    yield engine
    metadata.drop_all(engine)


def now() -> datetime:
    return datetime.now(UTC)


def rows_of(engine: Engine, report: Report) -> int:
    request = parse_request({"report": report.name}, {report.name: report})
    with snapshot(engine, "UTC", 60, now) as opened:
        return sum(getattr(item, "rows", 0) for item in choose.rows(Reading(opened, request, now)))


def test_unique_indexes_are_read_from_the_database(engine: Engine) -> None:
    with engine.connect() as connection:
        assert sorted(map(sorted, set(unique_columns(connection, parcels)))) == sorted(map(sorted, KEYS))
        assert unique_columns(connection, stops) == [frozenset({"parcel_id", "number"})]
        assert unique_columns(connection, Table("absent", MetaData())) == []


def test_a_key_that_a_join_multiplies_is_named(engine: Engine) -> None:
    joined = select(parcels.c.id, stops.c.number).join_from(
        parcels, stops, stops.c.parcel_id == parcels.c.id, isouter=True
    )
    report = Report(name="stops", title="Stops", select=joined, key=parcels.c.id)
    with pytest.raises(
        KeyInvalid, match=r"The report's key parcels\.id is not unique: several rows have the value 3\."
    ):
        rows_of(engine, report)


def test_a_null_key_is_named_despite_its_unique_index(engine: Engine) -> None:
    declared = Table("parcels", MetaData(), Column("code", String, nullable=False))
    report = Report(name="codes", title="Codes", select=select(declared), key=declared.c.code)
    with pytest.raises(KeyInvalid, match=r"The report's key parcels\.code is null in a row\."):
        rows_of(engine, report)


def test_a_key_without_a_unique_index_is_accepted_if_it_is_unique(engine: Engine) -> None:
    declared = Table("parcels", MetaData(), Column("shelf", Integer, nullable=False))
    report = Report(name="shelves", title="Shelves", select=select(declared), key=declared.c.shelf)
    assert rows_of(engine, report) == 5


# With these types, the owner's code equals two different codes of a unique column.
IGNORING_CASE = {
    "sqlite": ("TEXT COLLATE NOCASE", "TEXT"),
    "mysql": ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "VARCHAR(9) COLLATE latin1_bin"),
}


def test_a_join_that_ignores_case_multiplies_rows(engine: Engine) -> None:
    codes = Table("codes", MetaData(), Column("code", String, primary_key=True), Column("label", String))
    owners = Table("owners", MetaData(), Column("id", Integer, primary_key=True), Column("code", String))
    joined = select(owners.c.id, codes.c.label).join_from(owners, codes, owners.c.code == codes.c.code)
    report = Report(name="owners", title="Owners", select=joined, key=owners.c.id)
    types = IGNORING_CASE.get(engine.dialect.name.replace("mariadb", "mysql"), ("text", "text"))
    with engine.begin() as connection:
        for statement in (
            f"CREATE TABLE owners (id INTEGER PRIMARY KEY, code {types[0]})",
            f"CREATE TABLE codes (code {types[1]} PRIMARY KEY, label VARCHAR(9))",
            "INSERT INTO owners VALUES (7, 'x')",
            "INSERT INTO codes VALUES ('x', 'lower'), ('X', 'upper')",
        ):
            connection.exec_driver_sql(statement)
    try:
        if engine.dialect.name == "postgresql":
            assert rows_of(engine, report) == 1
            return
        with pytest.raises(KeyInvalid, match="several rows have the value 7"):
            rows_of(engine, report)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE owners")
            connection.exec_driver_sql("DROP TABLE codes")


def test_indexes_that_cover_only_some_rows_prove_nothing(scratch_url: str) -> None:
    engine = open_engine(scratch_url, connect_seconds=5, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE base (id int PRIMARY KEY, kind text)",
            "CREATE TABLE more () INHERITS (base)",
            "CREATE TABLE partial (id int, kind text)",
            "CREATE UNIQUE INDEX ON partial (id) WHERE kind = 'open'",
            "CREATE UNIQUE INDEX ON partial (lower(kind))",
            "INSERT INTO base VALUES (1, 'a')",
            "INSERT INTO more VALUES (1, 'b')",
            "INSERT INTO partial VALUES (1, 'x'), (1, 'y')",
        ):
            connection.execute(text(statement))
    for name in ("base", "partial"):
        table = Table(name, MetaData(), Column("id", Integer, primary_key=True))
        report = Report(name=name, title=name, select=select(table), key=table.c.id)
        with pytest.raises(KeyInvalid, match="several rows have the value 1"):
            rows_of(engine, report)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE base, more, partial"))
