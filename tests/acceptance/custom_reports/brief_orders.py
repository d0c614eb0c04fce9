"""A test report whose query takes one second."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="brief-orders",
    title="Brief orders",
    select=select(orders.c.number, func.pg_sleep(1).label("slept")).where(
        orders.c.number == "SO-2023-000001"
    ),
    key=orders.c.id,
)
