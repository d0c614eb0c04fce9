"""A test report with values that are hard to display.

It contains integers that need more than 53 bits, JSON, Arabic text, 60 columns and a long title.
"""

from sqlalchemy import BigInteger, Integer, Numeric, Text, cast, column, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from flows.reports import Report

ROWS, FILLERS = 120, 56

numbers = func.generate_series(1, ROWS).table_valued(column("number", Integer)).render_derived()

REPORT = Report(
    name="exact-values",
    title="Exact values of every kind, with a title that is much longer than any menu should ever become",
    select=select(
        numbers.c.number,
        cast(literal(352776136104522888), BigInteger).label("snowflake"),
        cast(literal("12345678901234567890.50"), Numeric(30, 2)).label("amount"),
        cast(literal('{"tags": ["a", "b"], "n": 1}'), JSONB).label("details"),
        cast(literal("مرحبا بالعالم"), Text).label("greeting"),
        *(cast(literal(f"value {place}"), Text).label(f"field_{place}") for place in range(FILLERS)),
    ),
    key=numbers.c.number,
    filters={"number": numbers.c.number},
)
