"""Define a report with a `place` scope for tests that move rows between two places during an export."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, select

from flows.query.report import Report, Scope

HERE, THERE = "here", "there"

movers = Table(
    "movers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("place", String, nullable=False),
    Column("note", Text),
)
REPORT = Report(
    name="movers",
    title="Movers",
    select=select(movers.c.id, movers.c.place, movers.c.note),
    key=movers.c.id,
    scope={"place": Scope(movers.c.place, pattern="here|there", known=movers.c.place)},
)
