"""A test report with 200 rows. Each row takes 40 ms, so the query takes 8 seconds."""

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
