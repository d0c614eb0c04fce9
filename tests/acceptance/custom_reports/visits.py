"""A test report that reads a custom table and masks IP addresses in a transform."""

import pandas as pd
from sqlalchemy import Boolean, Column, Date, Integer, MetaData, String, Table, select

from flows.reports import Heading, Report

visits = Table(
    "visits",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("path", String, nullable=False),
    Column("address", String),
    Column("day", Date, nullable=False),
    Column("bounced", Boolean),
)


def masked(frame: pd.DataFrame) -> pd.DataFrame:
    frame["address"] = frame["address"].str.replace(r"\.\d+$", ".0", regex=True)
    return frame


REPORT = Report(
    name="visits",
    title="Visits",
    select=select(visits),
    key=visits.c.id,
    sort="-id",
    period=visits.c.day,
    filters={"path": visits.c.path},
    headings={"address": Heading(label="IP address", pii=True)},
    transform=masked,
)
