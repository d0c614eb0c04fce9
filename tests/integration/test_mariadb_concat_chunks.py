"""Test that the file is the same whether MariaDB returns each row as one string or as separate values."""

import logging
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from flows.errors import UnreadableRow
from flows.query.report import Questions, Report
from flows.query.request import ExportRequest, parse_request
from flows.sources import sqlalchemy_rows
from flows.sources.mariadb import concat_chunks
from flows.sources.protocol import Reading
from flows.sources.snapshot import Snapshot, open_engine
from tests.support import mariadb
from tests.support.engines import file_by_concat, file_by_sqlalchemy

ROWS = 2 * sqlalchemy_rows.CHUNK_ROWS + 1
WORDS = [
    "",
    "a",
    'a "b"',
    '"',
    '""',
    ",",
    "\n",
    "\r\n",
    "\\",
    "\\.",
    "\\N",
    "NULL",
    "\0",
    "\ufeff",
    " a ",
    "ß🌳",
]
WHOLE = [0, -1, 2**31 - 1, -(2**31)]
DOUBLES = [0.0, 0.1 + 0.2, 1e15, -1e-5, 1e23, 5e-324, 1.7976931348623157e308, 123456789.123456789]
TIMESTAMPS = ["0001-01-01 00:00:00", "2024-10-27 00:30:00.000007", "9999-12-31 23:59:59.999999"]

DDL = """CREATE OR REPLACE TABLE joined (
    id INT PRIMARY KEY, words LONGTEXT, whole INT, price DECIMAL(38, 2), rate DOUBLE, yes BOOL, day DATE,
    at DATETIME(6), uid UUID, kind ENUM('small', 'big'), extra JSON, answers JSON, large BIGINT UNSIGNED,
    padded INT(6) ZEROFILL, raw BLOB, west LONGTEXT CHARACTER SET latin1, east TEXT CHARACTER SET latin2
)"""
COLUMNS: dict[str, TypeEngine[Any]] = {
    "words": Text(),
    "whole": Integer(),
    "price": Numeric(38, 2),
    "rate": Double(),
    "yes": Boolean(),
    "day": Date(),
    "at": DateTime(timezone=True),
    "uid": Uuid(),
    "kind": Enum("small", "big"),
    "extra": JSON(),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with mariadb.running() as url:
        engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
        yield engine
        engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Return a connection to a database with an empty table."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET sql_mode = ''")
        connection.exec_driver_sql(DDL)
        yield connection


def put(connection: Connection, *rows: dict[str, Any]) -> None:
    for number, row in enumerate(rows, start=1):
        values = {"id": number} | row
        marks = ", ".join(["%s"] * len(values))
        connection.exec_driver_sql(
            f"INSERT INTO joined ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - the names come from this file
            tuple(values.values()),
        )


def joined_request(columns: dict[str, TypeEngine[Any]], **values: Any) -> ExportRequest:
    table = Table("joined", MetaData(), Column("id", Integer, primary_key=True), Column("answers", JSON))
    for name, kind in columns.items():
        table.append_column(Column(name, kind))
    one = select(
        literal("one").label("key"), literal("One?").label("label"), literal(False).label("multiple")
    )
    questions = union_all(one, select(literal("many"), literal("Many?"), literal(True))).subquery()
    report = Report(
        name="joined",
        title="Joined",
        select=select(table.c.id, *(table.c[name] for name in columns)),
        key=table.c.id,
        sort="id",
        questions=Questions(table.c.answers, select(*questions.c), {}),
    )
    return parse_request({"report": "joined", "timeZone": "Europe/Berlin"} | values, {"joined": report})


def fallback_messages(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    return [record.message for record in caplog.records if record.name == concat_chunks.__name__]


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, concat_chunks.__name__)


def various() -> Iterator[dict[str, Any]]:
    randomness = random.Random(1)  # noqa: S311 - the same values in every run
    doubles = [struct.unpack("d", randomness.randbytes(8))[0] for _ in range(300)]
    for rate in [*DOUBLES, *(number for number in doubles if abs(number) < float("inf"))]:
        yield {"rate": rate}
    for words in WORDS:
        yield {"words": words}
        yield {"words": words, "answers": '{"one": 12345678901234567890123, "many": ["a", "b\\n"]}'}
    for whole in WHOLE:
        yield {"whole": whole, "price": Decimal(whole) / 100, "yes": whole < 0}
    for timestamp in TIMESTAMPS:
        yield {
            "at": timestamp,
            "day": timestamp[:10],
            "kind": "big",
            "extra": '{"bb": 1.50, "a": [null, "ü"]}',
        }
    yield {"price": Decimal("-" + "9" * 36 + ".99"), "uid": "899e1228-d7b8-40fc-8490-70e6f1efb338"}
    yield {}


@pytest.mark.parametrize("preset", ["plain", "excel"])
def test_the_bytes_match_values_from_the_driver(
    engine: Engine, connection: Connection, caplog: pytest.LogCaptureFixture, preset: str
) -> None:
    put(connection, *various())
    request = joined_request(COLUMNS, csv={"preset": preset})
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)
    assert not fallback_messages(caplog)


def test_a_transform_receives_the_same_frame(engine: Engine, connection: Connection) -> None:
    frames: list[pd.DataFrame] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        frames.append(frame)
        return frame

    put(connection, *various())
    request = joined_request(COLUMNS)
    request = replace(request, report=replace(request.report, transform=record))
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)
    first, second = frames
    pd.testing.assert_frame_equal(first, second)


IRREGULAR = {
    "beyond 64 bits": ("large", Integer(), 2**64 - 1),
    "zero date": ("day", Date(), "0000-00-00"),
    "day zero": ("at", DateTime(), "2024-02-00"),
    "before year 1": ("at", DateTime(), "0000-03-01 10:00:00"),
    "the separator": ("words", Text(), "a\x1fb"),
    "bytes": ("raw", Text(), b"\xff\0"),
}


@pytest.mark.parametrize("case", IRREGULAR)
def test_the_driver_reads_values_that_a_string_cannot_represent(
    engine: Engine, connection: Connection, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    name, kind, value = IRREGULAR[case]
    connection.exec_driver_sql("INSERT INTO joined (id) SELECT seq FROM seq_1_to_%s", (ROWS,))
    connection.exec_driver_sql(f"UPDATE joined SET {name} = %s WHERE id = %s", (value, ROWS))  # noqa: S608
    request = joined_request({name: kind})
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)
    first = 1 if case == "bytes" else ROWS
    assert fallback_messages(caplog) == [f"reading without string concatenation from row {first}"]


def test_the_driver_reads_rows_larger_than_a_packet(
    engine: Engine, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    put(connection, {})
    connection.exec_driver_sql("UPDATE joined SET words = repeat('a', 9000000), west = repeat('b', 9000000)")
    request = joined_request({"words": Text(), "west": Text()})
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)
    assert len(fallback_messages(caplog)) == 1


# In these cases, the type in the report differs from the type of the database column.
MISDECLARED = {
    "a text for a number": ("words", Integer(), "007"),
    "a text for a timestamp": ("words", DateTime(timezone=True), "2024-07-19 12:00:00"),
    "a timestamp for a text": ("at", Text(), "2024-07-19 12:00:00"),
    "a number for a text": ("padded", Text(), 7),
    "a day for a timestamp": ("day", DateTime(), "2024-07-19"),
    "a double for a text": ("rate", Text(), 1e15),
    "a decimal for a double": ("price", Double(), "1.10"),
    "a text for a boolean": ("words", Text(), "true"),
}


@pytest.mark.parametrize("case", MISDECLARED)
def test_a_column_with_another_type_than_declared_gives_the_same_bytes(
    engine: Engine, connection: Connection, case: str
) -> None:
    name, kind, value = MISDECLARED[case]
    put(connection, {name: value}, {})
    request = joined_request({name: kind})
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)


def test_incompatible_character_sets_are_read_by_the_driver(engine: Engine, connection: Connection) -> None:
    put(connection, {"west": "é", "east": "ő"})
    request = joined_request({"west": Text(), "east": Text()}, csv={"header": "none"})
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request) == "1,é,ő,,\n".encode()


def test_split_files_match_values_from_the_driver(engine: Engine, connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO joined (id) SELECT seq FROM seq_1_to_%s", (ROWS,))
    request = joined_request({})
    request = replace(request, options=replace(request.options, split_rows=ROWS // 2))
    assert file_by_concat(engine, request) == file_by_sqlalchemy(engine, request)


def test_the_error_names_row_and_column_of_an_unreadable_value(
    engine: Engine, connection: Connection
) -> None:
    put(connection, {}, {"words": "no json"})
    with pytest.raises(UnreadableRow, match="Column words of the row with key 2 contains"):
        file_by_concat(engine, joined_request({"words": JSON()}))


class UpperCase(String):
    """A string type that wraps its column in a SQL function when the column is selected."""

    def column_expression(self, column: Any) -> Any:
        return func.upper(column, type_=self)


def can_read(engine: Engine, request: ExportRequest) -> bool:
    with engine.connect() as connection:
        snapshot = Snapshot(connection, datetime.now(UTC))
        return concat_chunks.can_read(Reading(snapshot, request, lambda: datetime.now(UTC)))


@pytest.mark.parametrize(("kind", "expected"), [(Text(), True), (LargeBinary(), False), (UpperCase(), False)])
def test_types_that_cannot_be_concatenated_are_read_by_the_driver(
    engine: Engine, kind: TypeEngine[Any], expected: bool
) -> None:
    assert can_read(engine, joined_request({"words": kind})) is expected


def test_a_distinct_select_is_read_by_the_driver(engine: Engine) -> None:
    request = joined_request({})
    distinct = replace(request.report, select=request.report.select.distinct())
    assert not can_read(engine, replace(request, report=distinct))
