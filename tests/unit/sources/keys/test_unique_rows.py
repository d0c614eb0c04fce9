"""Test which keys are proved to be unique, and that the values of these keys never repeat."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
)

from flows.sources.keys.unique_columns import unique_columns
from flows.sources.keys.unique_rows import has_unique_rows

metadata = MetaData()
orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", Integer),
    Column("number", String, unique=True),
)
customers = Table(
    "customers", metadata, Column("id", Integer, primary_key=True), Column("country_id", Integer)
)
countries = Table("countries", metadata, Column("id", Integer, primary_key=True), Column("code", String))
items = Table(
    "items",
    metadata,
    Column("order_id", Integer, primary_key=True),
    Column("line", Integer, primary_key=True),
)
people = customers.alias("people")
OF_ORDER = customers.c.id == orders.c.customer_id
OF_CUSTOMER = customers.c.country_id == countries.c.id
OF_ITEM = items.c.order_id == orders.c.id


def declared(table: Table) -> list[frozenset[str]]:
    unique = [frozenset([column.name]) for column in table.columns if column.unique]
    return [frozenset(table.primary_key.columns.keys()), *unique]


def rows_of(source: FromClause, *conditions: Any) -> Select[Any]:
    return select(orders.c.id).select_from(source).where(*conditions)


@pytest.mark.parametrize(
    ("rows", "proved"),
    [
        (select(orders.c.id), True),
        (select(orders.c.number), True),
        (select(orders.c.id).where(orders.c.number.in_(["a"])).distinct(), True),
        (rows_of(orders.join(customers, OF_ORDER)), True),
        (rows_of(orders.outerjoin(customers, OF_ORDER)), True),
        (rows_of(orders.join(customers, OF_ORDER).outerjoin(countries, OF_CUSTOMER)), True),
        (rows_of(orders.outerjoin(customers.join(countries, OF_CUSTOMER), OF_ORDER)), True),
        (select(orders.c.id, customers.c.id).where(OF_ORDER), True),
        (rows_of(orders.join(people, people.c.id == orders.c.customer_id)), True),
        (rows_of(orders.outerjoin(items, OF_ITEM & (items.c.line == 1))), True),
        (select(orders.c.customer_id), False),
        (rows_of(orders.join(items, OF_ITEM)), False),
        (rows_of(orders.outerjoin(items, OF_ITEM)), False),
        (select(orders.c.id, customers.c.id), False),
        (rows_of(orders.join(customers, customers.c.country_id == orders.c.customer_id)), False),
        (rows_of(orders.join(customers, OF_ORDER | (orders.c.id == 1))), False),
        (rows_of(orders.join(countries, countries.c.code == orders.c.number)), False),
        (rows_of(orders.outerjoin(customers, OF_ORDER, full=True)), False),
        (rows_of(orders.join(select(customers).subquery(), orders.c.id == 1)), False),
        (select(orders.c.id + 1), False),
        (select(orders.c.customer_id).group_by(orders.c.customer_id), True),
        (select(orders.c.customer_id).group_by(orders.c.customer_id, orders.c.number), False),
        (rows_of(orders.join(items, OF_ITEM)).group_by(orders.c.id, orders.c.number), True),
        (rows_of(orders.join(items, OF_ITEM)).group_by(orders.c.id, items.c.line), False),
        (select(func.count()).select_from(orders), False),
    ],
)
def test_joins_and_groups_prove_that_a_key_is_unique(rows: Select[Any], proved: bool) -> None:
    assert has_unique_rows(rows, list(rows.exported_columns)[0], declared) is proved  # noqa: RUF015


def test_an_outer_join_does_not_restrict_the_rows_of_its_left_side() -> None:
    crossed = orders.join(customers, orders.c.id > 0)
    rows = rows_of(crossed.outerjoin(countries, OF_CUSTOMER & OF_ORDER))
    assert not has_unique_rows(rows, orders.c.id, declared)


def test_equal_texts_prove_nothing_if_their_collation_is_unknown() -> None:
    customers_of_number = Table("numbered", MetaData(), Column("number", String, primary_key=True))
    rows = rows_of(orders.join(customers_of_number, customers_of_number.c.number == orders.c.number))
    assert has_unique_rows(rows, orders.c.id, declared)
    assert not has_unique_rows(rows, orders.c.id, declared, compares_text=False)


def test_a_number_that_equals_several_texts_proves_nothing() -> None:
    codes = Table("codes", MetaData(), Column("code", String, primary_key=True))
    rows = rows_of(orders.join(codes, codes.c.code == orders.c.customer_id))
    assert not has_unique_rows(rows, orders.c.id, declared)


TABLES: list[FromClause] = [customers, countries, items, people]
COLUMNS = [column for table in [orders, *TABLES] for column in table.c if isinstance(column.type, Integer)]
small = st.integers(0, 2)


@st.composite
def selects(draw: st.DrawFn) -> Select[Any]:
    """Generate joins of random tables on random pairs of columns."""
    source: FromClause = orders
    for table in draw(st.lists(st.sampled_from(TABLES), max_size=3, unique_by=id)):
        pairs = st.tuples(st.sampled_from(COLUMNS), st.sampled_from([*COLUMNS, 0, 1]))
        usable = [
            (one, other)
            for one, other in draw(st.lists(pairs, min_size=1, max_size=3))
            if all(_is_in(column, [*_tables(source), table]) for column in (one, other))
        ]
        condition = [one == other for one, other in usable] or [orders.c.id == orders.c.id]
        source = source.join(table, condition[0] if len(condition) == 1 else condition[0] & condition[1])
        if draw(st.booleans()):
            source.isouter = True
    return select(draw(st.sampled_from([orders.c.id, orders.c.customer_id]))).select_from(source)


def _tables(source: Any) -> list[FromClause]:
    return [*_tables(source.left), *_tables(source.right)] if hasattr(source, "left") else [source]


def _is_in(column: Any, tables: list[FromClause]) -> bool:
    return isinstance(column, int) or column.table in tables


@pytest.fixture(scope="module")
def connection() -> Any:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        metadata.create_all(opened)
        yield opened
    engine.dispose()


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    rows=selects(),
    placed=st.lists(
        st.tuples(small, st.none() | small), min_size=1, max_size=3, unique_by=lambda row: row[0]
    ),
    known=st.lists(st.tuples(small, st.none() | small), max_size=3, unique_by=lambda row: row[0]),
    sold=st.lists(st.tuples(small, small), max_size=4, unique=True),
)
def test_no_proved_key_repeats(
    connection: Connection,
    rows: Select[Any],
    placed: list[tuple[int, int | None]],
    known: list[tuple[int, int | None]],
    sold: list[tuple[int, int]],
) -> None:
    _fill(connection, orders, placed)
    _fill(connection, customers, known)
    _fill(connection, countries, [(number, None) for number, _ in known])
    _fill(connection, items, sold)
    (key,) = rows.exported_columns
    keys = [value for value in connection.execute(rows).scalars() if value is not None]
    if has_unique_rows(rows, key, lambda table: unique_columns(connection, table)):
        assert len(keys) == len(set(keys))


def _fill(connection: Connection, table: Table, rows: list[Any]) -> None:
    connection.execute(delete(table))
    names = table.columns.keys()
    for row in rows:
        connection.execute(insert(table).values(dict(zip(names, row, strict=False))))
