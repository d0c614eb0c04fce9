"""Sample report with a column of every type, and requests for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    insert,
    literal,
    select,
    union_all,
)
from sqlalchemy.pool import StaticPool

from flows.query.report import Choices, Filter, Questions, Report, Scope
from flows.query.request import ExportRequest, parse_request
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support.clock import NOON

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shop", String, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("words", Text),
    Column("whole", Integer),
    Column("large", BigInteger),
    Column("price", Numeric(12, 2)),
    Column("rate", Double),
    Column("yes", Boolean),
    Column("day", Date),
    Column("hour", Time),
    Column("mark", Uuid),
    Column("extra", JSON),
    Column("answers", JSON),
)
_FILTERABLE = ("words", "whole", "large", "price", "rate", "yes", "day", "mark")
_HIDDEN = ("shop", "answers")

THINGS = Report(
    name="things",
    title="Things",
    select=select(*(column for column in things.c if column.name not in _HIDDEN)),
    key=things.c.id,
    sort="madeAt",
    scope={"shop": Scope(things.c.shop, pattern=r"[a-z/]{1,20}", known=things.c.shop)},
    period=things.c.made_at,
    filters={
        **{name: things.c[name] for name in _FILTERABLE},
        "madeAt": things.c.made_at,
        "size": Filter(things.c.words, choices=("small", "large")),
    },
    questions=Questions(
        answers=things.c.answers,
        select=union_all(
            select(literal("q1"), literal("Which?"), literal(False)),
            select(literal("q2"), literal("Which ones?"), literal(True)),
        )
        .subquery()
        .select(),
        scope={},
        choices=Choices(
            select=union_all(
                select(literal("q2"), literal("one"), literal("The first")),
                select(literal("q2"), literal("two"), literal("=Second; or so")),
                select(literal("q2"), literal("3"), literal("Third")),
                select(literal("q1"), literal("=x"), literal("A formula")),
            )
            .subquery()
            .select(),
            scope={},
        ),
    ),
)
REPORTS = {THINGS.name: THINGS}


def things_request(**changes: Any) -> ExportRequest:
    """Return a request for July 2024. `changes` override or extend the fields of its body."""
    body = {"report": "things", "shop": "here", "from": "2024-07-01", "to": "2024-07-31"}
    return parse_request(body | changes, REPORTS)


@contextmanager
def things_snapshot(rows: list[dict[str, Any]]) -> Iterator[Snapshot]:
    """Open a snapshot of an in-memory database with these rows. Missing columns get default values."""
    engine: Engine = open_engine(
        "sqlite://",
        1,
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
        json_serializer=partial(json.dumps, ensure_ascii=False),
    )
    try:
        metadata.create_all(engine)
        with engine.begin() as connection:
            for number, row in enumerate(rows, start=1):
                connection.execute(insert(things), {"id": number, "shop": "here", "made_at": NOON} | row)
        with snapshot(engine, "UTC", 10, clock=lambda: NOON) as snap:
            yield snap
    finally:
        engine.dispose()
