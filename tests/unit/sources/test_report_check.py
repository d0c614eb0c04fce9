"""Test that `find_problem` explains why a report cannot be read from its database."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    select,
)

from flows.errors import SourceUnavailable
from flows.query.report import Questions, Report, Scope
from flows.sources.report_check import find_problem


def table(name: str, *columns: str) -> Table:
    kinds = {"seen_at": DateTime, "id": Integer, "extra": JSON}
    declared = [Column(column, kinds.get(column, String), primary_key=column == "id") for column in columns]
    return Table(name, MetaData(), *declared)


VISITS = table("visits", "id", "path", "seen_at", "extra")
PAGES = table("pages", "id", "title")
MISSING, LESS = table("gone", "id", "title"), table("visits", "id", "path", "seen_at", "extra", "origin")
REPORT = Report(name="visits", title="Visits", select=select(VISITS.c.path), key=VISITS.c.id)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        for existing in (VISITS, PAGES):
            existing.create(opened)
        yield opened
    engine.dispose()


NO_ORIGIN = "Table visits has no column origin. Its columns: id, path, seen_at, extra."
NO_TABLE = "The database has no table gone."


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"period": VISITS.c.seen_at, "filters": {"path": VISITS.c.path}}, None),
        ({"select": select(func.count().label("n"), VISITS.c.path).group_by(VISITS.c.path)}, None),
        ({"select": select(MISSING.c.title), "key": MISSING.c.id}, NO_TABLE),
        ({"select": select(LESS.c.origin), "key": LESS.c.id}, NO_ORIGIN),
        ({"key": LESS.c.origin.label("key")}, NO_ORIGIN),
        ({"select": select(LESS.c.id), "key": LESS.c.id, "filters": {"origin": LESS.c.origin}}, NO_ORIGIN),
        (
            {"scope": {"pageId": Scope(VISITS.c.path, pattern=".", known=MISSING.c.id)}},
            NO_TABLE,
        ),
        (
            {"questions": Questions(VISITS.c.extra, select(MISSING.c.id, MISSING.c.title, MISSING.c.id), {})},
            NO_TABLE,
        ),
        ({"select": select(func.no_such(VISITS.c.path).label("x"))}, "No such function: no_such."),
    ],
)
def test_the_problem_of_a_report_is_a_sentence(
    connection: Connection, changes: dict[str, object], problem: str | None
) -> None:
    assert find_problem(replace(REPORT, **changes), connection) == problem


def test_an_unreachable_database_is_not_a_problem_of_the_report() -> None:
    engine = create_engine("sqlite:////no/such/folder/file.db")
    with pytest.raises(Exception, match="unable to open"), engine.connect() as opened:
        find_problem(REPORT, opened)


def test_a_locked_database_is_an_outage(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("locked") / "file.db"
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
    with engine.connect() as writer:
        VISITS.create(writer)
        writer.commit()
        writer.exec_driver_sql("BEGIN EXCLUSIVE")
        with engine.connect() as opened, pytest.raises(SourceUnavailable):
            find_problem(REPORT, opened)
    engine.dispose()
