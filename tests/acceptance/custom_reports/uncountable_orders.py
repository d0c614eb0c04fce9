"""A test report whose query fails because it casts text to an integer."""

from sqlalchemy import Integer, cast, select

from flows.reports import Report
from flows.samples.orders import orders

REPORT = Report(
    name="uncountable-orders",
    title="Uncountable orders",
    select=select(orders.c.number, cast(orders.c.status, Integer).label("status")),
    key=orders.c.id,
)
