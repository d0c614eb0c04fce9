"""Test that the SQLite source's child process and the general source produce the same file for any report."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Select,
    Table,
    Text,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.pool import NullPool

from flows.query.report import Questions, Report
from flows.query.request import parse_request
from flows.sources import sqlalchemy_rows
from flows.sources.snapshot import open_engine
from flows.sources.sqlite import adbc_chunks
from tests.support.adbc_comparison import Comparison, compare_sources
from tests.support.column_strategies import table_in

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

visits = Table(
    "visits",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("guest", Text),
    Column("nights", Integer),
    Column("rate", Double),
    Column("paid", Numeric(12, 2), nullable=False),
    Column("vip", Boolean),
    Column("day", Date, nullable=False),
    Column("at", DateTime),
    Column("answers", JSON),
)
v = visits.c
ROWS = 9
FILL = """
    INSERT INTO visits
    SELECT value, CASE value % 4 WHEN 0 THEN NULL WHEN 1 THEN 'O''Hara, "Bo"' ELSE 'g' || value END,
        nullif(value % 5, 0), value / 10.0, value * 1.5, value % 2, '2024-07-0' || value,
        '2024-07-0' || value || ' 10:00:00.000000', '{}'
    FROM json_each('[1, 2, 3, 4, 5, 6, 7, 8, 9]')
"""


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "it's 100% #1?.db"
    engine = open_engine("sqlite://", 5, poolclass=NullPool, creator=partial(sqlite3.connect, file))
    for empty in table_in(engine, visits):
        with empty.begin() as connection:
            connection.exec_driver_sql(FILL)
        yield empty


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlalchemy_rows, "CHUNK_ROWS", 2)
    monkeypatch.setattr(adbc_chunks, "BATCH_ROWS", 4)


def report_of(*columns: ColumnElement[Any], **fields: Any) -> Report:
    return Report(name="visits", title="Visits", **{"select": select(*columns), "key": v.id} | fields)


def compare(engine: Engine, report: Report, **fields: Any) -> Comparison:
    return compare_sources(engine, parse_request({"report": "visits"} | fields, {"visits": report}))


EVERYTHING = [v.id, v.guest, v.nights, v.rate, v.paid, v.vip, v.day]


@pytest.mark.parametrize(
    "sort", ["id", "-id", "guest", "-guest,nights", "nights,-paid", "-nights", "-vip,-day"]
)
def test_sorted_rows(sqlite: Engine, sort: str) -> None:
    assert compare(sqlite, report_of(*EVERYTHING), sort=sort).rows_by_process == ROWS


@pytest.mark.parametrize(
    "filters",
    [
        {"guest": 'O\'Hara, "Bo"'},
        {"guest": ["g2", None, "'; --"]},
        {"nights": None},
        {"nights": [1, 3]},
        {"vip": True},
        {"vip": [False, None], "nights": [1, 2, 3, 4]},
        {"paid": [1.5, 3]},
        {"day": ["2024-07-02", "2024-07-03"]},
        {"guest": "no guest"},
    ],
)
def test_filtered_rows(sqlite: Engine, filters: dict[str, Any]) -> None:
    names = {name: visits.c[name] for name in ("guest", "nights", "vip", "paid", "day")}
    report = report_of(*EVERYTHING, filters=names)
    comparison = compare(sqlite, report, filters=filters, csv={"header": "none"})
    assert comparison.rows_by_process == comparison.result.count(b"2024-07-0")


@pytest.mark.parametrize(
    "expression",
    [
        v.nights + 1,
        v.rate * 2,
        -v.rate,
        v.nights > 2,
        func.coalesce(v.guest, "it's ? :name %s"),
        case((v.nights > 2, "long"), (v.guest.is_(None), None), else_="short"),
        func.max(v.nights, 2, type_=Integer),
        literal("a"),
    ],
)
def test_stable_expressions_are_read_by_the_child_process(
    sqlite: Engine, expression: ColumnElement[Any]
) -> None:
    assert compare(sqlite, report_of(v.id, expression.label("computed"))).rows_by_process == ROWS


@pytest.mark.parametrize(
    "expression",
    [
        func.round(v.rate * 2.675, 2),
        func.sum(v.rate).over(),
        cast(v.rate + 0.2, Text),
        v.guest + v.rate.concat(""),
        extract("year", v.day),
        literal_column("rate || ''", Text),
    ],
)
def test_version_dependent_expressions_are_read_by_the_general_source(
    sqlite: Engine, expression: ColumnElement[Any]
) -> None:
    assert compare(sqlite, report_of(v.id, expression.label("computed"))).rows_by_process == 0
    nested = select(v.id, expression.label("computed")).subquery()
    assert compare(sqlite, report_of(nested.c.id, nested.c.computed, key=nested.c.id)).rows_by_process == 0
    if not isinstance(expression, type(func.sum(v.rate).over())):
        report = report_of(v.id, select=select(v.id).where(expression != literal("9")))
        assert compare(sqlite, report).rows_by_process == 0


@pytest.mark.parametrize(("total", "by_process"), [(func.count(v.id), ROWS), (func.sum(v.rate), 0)])
def test_groups(sqlite: Engine, total: ColumnElement[Any], by_process: int) -> None:
    grouped = select(v.day, total.label("total")).group_by(v.day)
    report = report_of(select=grouped, key=v.day, sort="-total")
    assert compare(sqlite, report).rows_by_process == by_process


@pytest.mark.parametrize(
    "condition",
    [
        v.at.in_([datetime(2024, 7, 2, 10), datetime(2024, 7, 3, 10)]),  # noqa: DTZ001 - the column is naive
        v.at.not_in([datetime(2024, 7, 2, 10)]),  # noqa: DTZ001
        v.at == datetime(2024, 7, 2, 10),  # noqa: DTZ001
        v.day.in_([date(2024, 7, 2)]),
        v.paid.in_([Decimal("1.5"), Decimal(3)]),
        v.vip.in_([True]),
        v.nights.in_([]),
    ],
)
def test_literals_of_a_report_are_bound_as_stored(sqlite: Engine, condition: ColumnElement[bool]) -> None:
    report = report_of(select=select(v.id, v.day).where(condition))
    comparison = compare(sqlite, report, csv={"header": "none"})
    assert comparison.rows_by_process == comparison.result.count(b"2024-07-0")


def test_a_condition_in_literal_sql(sqlite: Engine) -> None:
    report = report_of(select=select(v.id).where(text("round(rate, 1) > 0.25")))
    assert compare(sqlite, report).rows_by_process == 0


def test_a_numeric_key_is_read_by_the_general_source(sqlite: Engine) -> None:
    assert compare(sqlite, report_of(v.id, key=v.paid)).rows_by_process == 0


def test_a_transform_receives_the_same_frames(sqlite: Engine) -> None:
    frames: list[Any] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        frames.append((frame.dtypes.map(str).to_dict(), frame.to_csv()))
        return frame.assign(guest=frame["guest"].str.upper())

    assert compare(sqlite, report_of(*EVERYTHING, transform=record), sort="-nights").rows_by_process == ROWS
    assert frames[: len(frames) // 2] == frames[len(frames) // 2 :]


KEYS = [
    "",
    " ",
    "$",
    "$.a",
    "a.b",
    "[0]",
    "a[0]",
    "it's",
    "ü",
    "🌳",
    "\n",
    "a/b",
    "\t\x01",
    "#",
    "*",
    "a:b",
    "1",
]


def as_escapes(word: str) -> str:
    units = word.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4)) + '"'


def report_asking(keys: Sequence[str]) -> Report:
    rows = [select(literal(key).label("key"), literal(key).label("label"), literal(False)) for key in keys]
    listed: Select[Any] = select(*union_all(*rows).subquery().c)
    return report_of(v.id, questions=Questions(answers=v.answers, select=listed, scope={}))


@pytest.mark.parametrize("dump", [json.dumps, partial(json.dumps, ensure_ascii=False), as_escapes])
@pytest.mark.parametrize(("more", "by_process"), [([], 0), (['"'], -ROWS), (["\\"], -ROWS)])
def test_any_question_keys(
    sqlite: Engine, dump: Callable[[str], str], more: list[str], by_process: int
) -> None:
    keys = [*KEYS, *more]
    document = "{" + ",".join(f"{dump(key)}:{number}" for number, key in enumerate(keys)) + "}"
    with sqlite.begin() as connection:
        connection.exec_driver_sql("UPDATE visits SET answers = ? WHERE id < 5", (document,))
    comparison = compare(sqlite, report_asking(keys), csv={"header": "none"}, columns=["id", "answers"])
    assert comparison.result.startswith(("1," + ",".join(map(str, range(len(keys)))) + "\n").encode())
    assert comparison.rows_by_process == ROWS + by_process
