"""A test report whose transform raises an exception."""

import pandas as pd
from sqlalchemy import select

from flows.reports import Report
from flows.samples.orders import orders


def canary(frame: pd.DataFrame) -> pd.DataFrame:
    raise ValueError("canary-of-the-transform")


REPORT = Report(
    name="broken-orders",
    title="Broken orders",
    select=select(orders.c.number),
    key=orders.c.id,
    transform=canary,
)
