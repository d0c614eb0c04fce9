"""Test report whose key repeats, because its rows are orders and not customers."""

from sqlalchemy import select

from flows.reports import Report
from flows.samples.orders import customers, orders

REPORT = Report(
    name="order-countries",
    title="Countries of orders",
    select=select(orders.c.number, customers.c.country).join_from(orders, customers),
    key=customers.c.id,
)
