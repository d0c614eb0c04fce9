"""A test report whose query takes 10 ms per row."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="slow-orders",
    title="Slow orders",
    select=select(orders.c.number, func.pg_sleep(0.01).label("slept")),
    key=orders.c.id,
)
