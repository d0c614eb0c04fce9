"""A test report that takes about a second, because each of its 100 rows takes 10 ms."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="brief-orders",
    title="Brief orders",
    select=select(orders.c.number, func.pg_sleep(0.01).label("slept")).where(
        orders.c.number < "SO-2023-000101"
    ),
    key=orders.c.id,
)
