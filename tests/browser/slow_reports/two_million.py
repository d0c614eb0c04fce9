"""A test report whose query generates two million rows without reading a table."""

from sqlalchemy import Integer, column, func, select

from flows.reports import Report

ROWS = 2_000_000

rows = func.generate_series(1, ROWS).table_valued(column("number", Integer)).render_derived()

REPORT = Report(
    name="two-million",
    title="Two million numbers",
    select=select(rows.c.number),
    key=rows.c.number,
    filters={"number": rows.c.number},
)
