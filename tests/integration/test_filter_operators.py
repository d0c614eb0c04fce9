"""Test filters on every database.

Each filter must select the same rows in a paged table, in an exported file and in a Python check.
"""

import operator
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.pool import NullPool

from api.tables.source import Source
from flows.query.report import Report
from flows.query.request import ExportRequest, parse_request
from flows.sources.snapshot import open_engine
from tests.support import mariadb
from tests.support.column_strategies import PROOF
from tests.support.csv_reader import read
from tests.support.engines import (
    file_by_concat,
    file_by_copy,
    file_by_copy_chunks,
    file_by_second_process,
    file_by_sqlalchemy,
    with_transform,
)
from tests.support.table_pages import rows_by_pages, table_source

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

NOON = datetime(2024, 7, 19, 12, tzinfo=UTC)
VALUES: dict[str, list[Any]] = {
    "words": ["", "Refund 100%", "re_fund", "a/b", "x\\y", "it's %(refund)s", "REFUND", "Привет"],
    "code": ["ES", "DE", "a_b", "A%B"],
    "whole": [-5, 0, 7, 2147483647],
    "price": [Decimal("-1.50"), Decimal(0), Decimal("9.99"), Decimal("100.00")],
    "rate": [-0.5, 0.1, 1e299],
    "yes": [True, False],
    "day": [date(2024, 7, 18) + timedelta(days=days) for days in range(3)],
    "at": [NOON + timedelta(hours=hours) for hours in (-30, 0, 1)],
    "local_at": [(NOON + timedelta(seconds=seconds)).replace(tzinfo=None) for seconds in (-1, 0, 1)],
    "uid": [uuid.UUID(int=number) for number in (1, 2**127)],
    "size": ["small", "big"],
}
PARTS = ["refund", "FUND", "%", "_", "/", "\\", "'", "100%", "(refund)s", "es", "b", "", "ПРИ"]
operators = Table(
    "operators",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("words", Text),
    Column("code", String(9)),
    Column("whole", Integer),
    Column("price", Numeric(12, 2)),
    Column("rate", Double),
    Column("yes", Boolean),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("local_at", DateTime),
    Column("uid", Uuid),
    Column("size", Enum("small", "big", name="operator_size")),
)
REPORT = Report(
    name="operators",
    title="Operators",
    select=select(operators.c.id, operators.c.words),
    key=operators.c.id,
    filters={name: operators.c[name] for name in VALUES},
)
RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}
generator = random.Random(7)  # noqa: S311 - not used for security
ROWS: list[dict[str, Any]] = [
    {"id": number, **{name: generator.choice([None, *values]) for name, values in VALUES.items()}}
    for number in range(1, 41)
]


@pytest.fixture(scope="module", params=["postgresql", "mariadb", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "mariadb":
        with mariadb.running() as url:
            yield from loaded(url)
    elif request.param == "sqlite":
        yield from loaded(f"sqlite:///{tmp_path_factory.mktemp('operators')}/operators.db")
    else:
        yield from loaded(request.getfixturevalue("scratch_url"))


def loaded(url: str) -> Iterator[Engine]:
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    operators.drop(engine, checkfirst=True)
    operators.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(operators), [_stored(row, engine) for row in ROWS])
    yield engine
    operators.drop(engine)
    engine.dispose()


def _stored(row: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """Return the row as the database returns it. Only PostgreSQL returns timestamps with a time zone."""
    at = row["at"]
    return row if at is None or engine.dialect.name == "postgresql" else row | {"at": at.replace(tzinfo=None)}


@pytest.fixture(scope="module")
def source(engine: Engine) -> Iterator[Source]:
    with table_source(engine) as source:
        yield source


def test_all_operators_are_covered() -> None:
    allowed = {name for filter_ in REPORT.filter_columns.values() for name in filter_.allowed_operators}
    assert allowed == {*RANGES, "contains", "not", "null"}


def condition(name: str, operator_name: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(VALUES[name])
    if operator_name == "null":
        return st.booleans()
    if operator_name == "contains":
        return st.sampled_from(PARTS)
    return st.lists(st.none() | values, min_size=1, max_size=3) if operator_name == "not" else values


def conditions(name: str) -> st.SearchStrategy[dict[str, Any]]:
    allowed = REPORT.filter_columns[name].allowed_operators
    chosen = st.lists(st.sampled_from(allowed), min_size=1, max_size=2, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({op: condition(name, op) for op in names}))


FILTERS = st.lists(st.sampled_from([*VALUES]), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: conditions(name) for name in names})
)


@settings(PROOF, max_examples=40)
@given(filters=FILTERS)
def test_table_and_file_contain_the_rows_that_python_selects(
    engine: Engine, source: Source, filters: dict[str, dict[str, Any]]
) -> None:
    expected = [row["id"] for row in ROWS if matches(row, filters)]
    request = request_of(filters)
    anyio.run(source.check_request, request)
    assert [row["id"] for row in rows_by_pages(source, request)] == expected
    for content in files_of(engine, request):
        assert [int(row[0] or 0) for row in read(content)[1]] == expected


@pytest.mark.parametrize(
    "filters", [{"words": {"contains": "refund"}}, {"at": {"gte": NOON}, "price": {"lt": 50}}]
)
def test_the_second_process_of_sqlite_reads_the_same_rows(engine: Engine, filters: dict[str, Any]) -> None:
    request = request_of(filters)
    content = file_by_sqlalchemy(engine, request)
    assert read(content)[1]
    if engine.dialect.name == "sqlite":
        assert file_by_second_process(engine, request) == content


def matches(row: dict[str, Any], filters: dict[str, dict[str, Any]]) -> bool:
    return all(holds(row[name], *item) for name, values in filters.items() for item in values.items())


def holds(cell: Any, operator_name: str, value: Any) -> bool:
    if operator_name == "null":
        return (cell is None) == value
    if operator_name == "not":
        return cell not in value
    if cell is None:
        return False
    return (
        value.lower() in cell.lower() if operator_name == "contains" else RANGES[operator_name](cell, value)
    )


def request_of(filters: dict[str, dict[str, Any]]) -> ExportRequest:
    body = {"report": "operators", "filters": to_json(filters), "columns": ["id", "words"]}
    return parse_request(body, {"operators": REPORT})


def to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    return str(value) if isinstance(value, date | uuid.UUID) else value


def files_of(engine: Engine, request: ExportRequest) -> Iterator[bytes]:
    yield file_by_sqlalchemy(engine, request)
    if engine.dialect.name == "postgresql":
        yield file_by_copy(engine, request)
        yield file_by_copy_chunks(engine, with_transform(request))
    elif engine.dialect.name == "mysql":
        yield file_by_concat(engine, request)


def test_sqlite_compares_and_sorts_decimals_that_are_stored_as_text(tmp_path: Any) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/prices.db", connect_seconds=5, poolclass=NullPool)
    prices = Table(
        "prices", MetaData(), Column("id", Integer, primary_key=True), Column("price", Numeric(9, 2))
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE prices (id INTEGER PRIMARY KEY, price TEXT)"))
        connection.execute(
            text("INSERT INTO prices VALUES (1, '9.50'), (2, '100.00'), (3, '-20.00'), (4, NULL)")
        )
    report = Report(
        name="prices",
        title="Prices",
        select=select(prices.c.id, prices.c.price),
        key=prices.c.id,
        filters={"price": prices.c.price},
    )
    body = {"report": "prices", "filters": {"price": {"gte": 9.5}}, "columns": ["id"]}
    assert file_by_sqlalchemy(engine, parse_request(body, {"prices": report})) == b"Id\n1\n2\n"
    with table_source(engine) as source:
        for sort, order in (("price", [3, 1, 2, 4]), ("-price", [2, 1, 3, 4])):
            request = parse_request({"report": "prices", "sort": sort}, {"prices": report})
            assert [row["id"] for row in rows_by_pages(source, request, 1)] == order
