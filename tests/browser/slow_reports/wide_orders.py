"""9 seconds: 60 rows of 150 ms, five of which fill one of the blocks in which a file is made."""

from sqlalchemy import func, literal, select

from flows.reports import Report
from flows.reports.orders import orders

ROWS = 60

REPORT = Report(
    name="wide-orders",
    title="Wide orders",
    select=select(
        orders.c.number,
        func.pg_sleep(0.15).label("slept"),
        func.repeat(literal("filler "), 30_000).label("filler"),
    ).where(orders.c.number < f"SO-2023-{ROWS + 1:06}"),
    key=orders.c.id,
)
