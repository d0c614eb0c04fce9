"""Test that an export fails if a report's key is null or repeated."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, insert, select

from flows.errors import KeyInvalid
from flows.query.report import Report
from flows.query.request import parse_request
from flows.sources import choose
from flows.sources.keys import key_check
from flows.sources.protocol import Reading
from flows.sources.snapshot import snapshot

metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("number", String))
items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("order_id", Integer))
WITH_ITEMS = select(orders.c.id, orders.c.number).join_from(orders, items, items.c.order_id == orders.c.id)
REPORT = Report(
    name="orders",
    title="Orders",
    select=select(orders.c.id, orders.c.number),
    key=orders.c.id,
    filters={"number": orders.c.number},
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for number in (1, 2, 3):
            connection.execute(
                insert(orders).values(id=number, number=None if number == 3 else f"A-{number}")
            )
        for number, order in enumerate((1, 2, 2)):
            connection.execute(insert(items).values(id=number, order_id=order))
    yield engine
    engine.dispose()


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def read(engine: Engine, report: Report, **fields: Any) -> int:
    request = parse_request({"report": report.name} | fields, {report.name: report})
    with snapshot(engine, "UTC", 60, now) as opened:
        return sum(getattr(item, "rows", 0) for item in choose.rows(Reading(opened, request, now)))


def test_a_unique_key_is_accepted_with_and_without_a_proof(engine: Engine) -> None:
    assert read(engine, REPORT) == 3
    rows = REPORT.select.subquery()
    assert read(engine, replace(REPORT, select=select(rows), key=rows.c.id, filters={})) == 3


def test_the_error_names_a_key_that_a_join_multiplies(engine: Engine) -> None:
    with pytest.raises(
        KeyInvalid, match=r"The report's key orders\.id is not unique: several rows have the value 2\."
    ):
        read(engine, replace(REPORT, select=WITH_ITEMS))


def test_only_the_requested_rows_are_checked(engine: Engine) -> None:
    assert read(engine, replace(REPORT, select=WITH_ITEMS), filters={"number": "A-1"}) == 1


def test_the_error_names_a_key_that_is_null(engine: Engine) -> None:
    number = Column("number", String, nullable=False)
    declared = Table("orders", MetaData(), Column("id", Integer, primary_key=True), number)
    report = replace(REPORT, select=select(declared), key=declared.c.number, filters={})
    with pytest.raises(KeyInvalid, match=r"The report's key orders\.number is null in a row\."):
        read(engine, report)


def test_a_declared_primary_key_is_not_trusted(engine: Engine) -> None:
    declared = Table("items", MetaData(), Column("order_id", Integer, primary_key=True))
    report = replace(REPORT, select=select(declared), key=declared.c.order_id, filters={})
    with pytest.raises(KeyInvalid, match="several rows have the value 2"):
        read(engine, report)


def test_no_rows_have_no_invalid_key(engine: Engine) -> None:
    assert read(engine, replace(REPORT, select=WITH_ITEMS.where(orders.c.id > 9))) == 0


def test_find_problem_ignores_unique_indexes(engine: Engine) -> None:
    with engine.connect() as connection:
        keys = WITH_ITEMS.with_only_columns(orders.c.id.label("key"), maintain_column_froms=True)
        problem = key_check.find_problem(connection, REPORT, keys.subquery())
        assert "several rows have the value 2" in str(problem)
