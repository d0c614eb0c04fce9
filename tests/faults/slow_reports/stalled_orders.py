"""A test report whose only row is sent after 26 seconds."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="stalled-orders",
    title="Stalled orders",
    select=select(orders.c.number, func.pg_sleep(26).label("slept")).where(
        orders.c.number == "SO-2023-000001"
    ),
    key=orders.c.id,
)
