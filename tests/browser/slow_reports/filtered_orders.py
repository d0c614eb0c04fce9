"""A test report with a filter of each type."""

from sqlalchemy import select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="filtered-orders",
    title="Filtered orders",
    select=select(orders.c.number, orders.c.placed_at, orders.c.shipped_on, orders.c.total, orders.c.note),
    key=orders.c.id,
    sort="number",
    filters={
        "number": orders.c.number,
        "placedAt": orders.c.placed_at,
        "shippedOn": orders.c.shipped_on,
        "total": orders.c.total,
        "note": orders.c.note,
    },
)
