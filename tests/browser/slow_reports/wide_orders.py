"""A test report that takes 9 seconds to return 60 wide rows.

Each block of the file contains only five rows, so the progress changes often.
"""

from sqlalchemy import func, literal, select

from flows.reports import Report
from flows.samples.orders import orders

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
