"""A test report whose query generates a million rows without reading a table."""

from sqlalchemy import Integer, column, func, select

from flows.reports import Report

MILLION = 1_000_000

rows = func.generate_series(1, MILLION).table_valued(column("number", Integer)).render_derived()

REPORT = Report(
    name="million",
    title="A million numbers",
    select=select(rows.c.number),
    key=rows.c.number,
)
