"""Sample report that lists orders with their customers."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    select,
)

from flows.reports import Filter, Heading, Report

metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("country", String, nullable=False),
)
orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", String, nullable=False, unique=True),
    Column("customer_id", ForeignKey(customers.c.id), nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("status", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("total", Numeric(12, 2), nullable=False),
    Column("discount_rate", Double),
    Column("items", Integer, nullable=False),
    Column("shipped_on", Date),
    Column("gift", Boolean, nullable=False),
    Column("note", Text),
)

REPORT = Report(
    name="orders",
    title="Orders",
    select=select(
        orders.c.number,
        orders.c.placed_at,
        orders.c.status,
        customers.c.name.label("customer"),
        customers.c.country,
        orders.c.currency,
        orders.c.total,
        orders.c.discount_rate,
        orders.c["items"],
        orders.c.shipped_on,
        orders.c.gift,
        orders.c.note,
    ).join_from(orders, customers),
    key=orders.c.id,
    sort="-placedAt",
    period=orders.c.placed_at,
    max_days=None,
    filters={
        "status": Filter(orders.c.status, choices=("pending", "paid", "shipped", "refunded", "cancelled")),
        "currency": orders.c.currency,
        "country": customers.c.country,
        "gift": orders.c.gift,
        "items": orders.c["items"],
    },
    headings={"customer": Heading(pii=True)},
)
