"""A test report with a column type that raises an exception for one value."""

from typing import Any

import pandas as pd
from sqlalchemy import Column, Dialect, MetaData, String, Table, TypeDecorator, cast, select

from flows.reports import Report

BROKEN_NUMBER = "SO-2023-000007"


class Status(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str:
        number, _, status = str(value).partition(" ")
        if number == BROKEN_NUMBER:
            raise ValueError("canary-of-the-type")
        return status


orders = Table("orders", MetaData(), Column("number", String, primary_key=True), Column("status", String))


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


REPORT = Report(
    name="unreadable-orders",
    title="Unreadable orders",
    select=select(orders.c.number, cast(orders.c.number + " " + orders.c.status, Status).label("status")),
    key=orders.c.number,
    sort="number",
    transform=unchanged,
)
