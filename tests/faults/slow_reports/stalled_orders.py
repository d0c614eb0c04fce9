"""26 seconds without a sign of life from the database: one row."""

from sqlalchemy import func, select

from flows.reports import Report
from flows.reports.orders import orders

REPORT = Report(
    name="stalled-orders",
    title="Stalled orders",
    select=select(orders.c.number, func.pg_sleep(26).label("slept")).where(
        orders.c.number == "SO-2023-000001"
    ),
    key=orders.c.id,
)
