"""Report with 200 rows that takes 8 seconds, or 40 ms per row."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="slow-orders",
    title="Slow orders",
    select=select(orders.c.number, func.pg_sleep(0.04).label("slept")).where(
        orders.c.number < "SO-2023-000201"
    ),
    key=orders.c.id,
)
