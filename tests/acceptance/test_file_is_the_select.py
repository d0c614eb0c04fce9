"""Test that exported files match the results of hand-written SQL.

The files and the results are read with independent libraries.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import set_json_loads

from tests.support import csv_reader
from tests.support.export_client import Session

ARTICLES_ROWS = """
    SELECT id, submitted_at, is_attended, utm, respondent_name, respondent_email, country, score, comment,
        answers
    FROM survey_responses
    WHERE survey_id = '668b6fa3b8d693cd865b44bb' AND is_attended AND utm = 'wa'
        AND submitted_at >= '2024-07-19T00:00:00Z' AND submitted_at < '2024-07-27T00:00:00Z'
    ORDER BY submitted_at, id
"""
QUESTIONS = (
    "overall",
    "recommend",
    "channel",
    "topics",
    "spent",
    "again",
    "visit_date",
    "wish",
    "code",
    "remarks",
)
ORDERS_ROWS = """
    SELECT number, placed_at, status, name, country, currency, total, discount_rate, items, shipped_on, gift,
        note
    FROM orders JOIN customers ON customers.id = customer_id
    WHERE currency IN ('EUR', 'JPY')
        AND placed_at >= '2024-03-01T00:00:00+01:00' AND placed_at < '2024-05-01T00:00:00+02:00'
    ORDER BY placed_at DESC, orders.id
"""
ORDERS_HEADER = [
    "Number",
    "Placed at",
    "Status",
    "Customer",
    "Country",
    "Currency",
    "Total",
    "Discount rate",
    "Items",
    "Shipped on",
    "Gift",
    "Note",
]


def parse_bool(cell: str) -> bool:
    return {"true": True, "false": False}[cell]


def parse(cells: csv_reader.Row, kinds: list[Callable[[str], Any]]) -> list[Any]:
    return [None if cell is None else kind(cell) for cell, kind in zip(cells, kinds, strict=True)]


def answer(answers: dict[str, Any], key: str) -> str | None:
    """Return the expected cell text. Choices are joined. Numbers and booleans are formatted as JSON."""
    value = answers.get(key)
    if isinstance(value, list):
        return "; ".join(value) or None
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


@pytest.fixture(autouse=True)
def exact_numbers(database: psycopg.Connection) -> None:
    """Parse JSON numbers as Decimal, so that 12.50 keeps its trailing zero."""
    set_json_loads(lambda text: json.loads(text, parse_float=Decimal), database)


def test_the_articles_file_matches_the_select_row_by_row(
    database: psycopg.Connection, article: Session
) -> None:
    kinds = [int, datetime.fromisoformat, parse_bool, str, str, str, str, int, str]
    names, rows = csv_reader.read(article.file())
    expected = [
        [*row[:-1], *(answer(row[-1], key) for key in QUESTIONS)]
        for row in database.execute(ARTICLES_ROWS).fetchall()
    ]
    assert len(expected) > 100
    assert [parse(row, kinds + [str] * len(QUESTIONS)) for row in rows] == expected
    labels = (
        "SELECT label FROM survey_questions WHERE survey_id = '668b6fa3b8d693cd865b44bb' ORDER BY position"
    )
    assert names[len(kinds) :] == [label for (label,) in database.execute(labels)]


def test_the_orders_file_matches_the_select_row_by_row(
    database: psycopg.Connection, sessions: dict[str, Session]
) -> None:
    names, rows = csv_reader.read(sessions["orders"].file())
    kinds = [
        str,
        datetime.fromisoformat,
        str,
        str,
        str,
        str,
        Decimal,
        float,
        int,
        date.fromisoformat,
        parse_bool,
        str,
    ]
    expected = [list(row) for row in database.execute(ORDERS_ROWS).fetchall()]
    assert len(expected) > 100
    assert names == ORDERS_HEADER
    assert [parse(row, kinds) for row in rows] == expected


def test_timestamps_carry_the_offset_of_the_requested_time_zone(sessions: dict[str, Session]) -> None:
    _, rows = csv_reader.read(sessions["orders"].file())
    offsets = {(str(row[1])[:7], str(row[1])[-6:]) for row in rows}
    assert offsets == {("2024-03", "+01:00"), ("2024-03", "+02:00"), ("2024-04", "+02:00")}
