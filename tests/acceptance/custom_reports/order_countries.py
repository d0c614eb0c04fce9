"""A test report with repeated keys. Each row is an order, but the key is the customer's id."""

from sqlalchemy import select

from flows.reports import Report
from flows.samples.orders import customers, orders

REPORT = Report(
    name="order-countries",
    title="Countries of orders",
    select=select(orders.c.number, customers.c.country).join_from(orders, customers),
    key=customers.c.id,
)
