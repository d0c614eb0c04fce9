"""Test that exports from MariaDB read one snapshot, keep values exact and follow the server's collations."""

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import anyio
import pandas as pd
import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Engine,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from api.settings import ApiSettings
from api.tables.source import Source
from flows.errors import (
    ExportError,
    ReportInvalid,
    SourceCancelled,
    SourceTimeout,
    SourceUnavailable,
    UnreadableRow,
)
from flows.query import statement
from flows.query.report import Questions, Report, type_name
from flows.query.request import ExportRequest, parse_request
from flows.sources import sqlalchemy_rows
from flows.sources.origin import Origin
from flows.sources.snapshot import Snapshot, open_engine, snapshot
from tests.support import mariadb
from tests.support.engines import file_by_sqlalchemy, file_from_snapshot, now

ROWS = 3 * sqlalchemy_rows.CHUNK_ROWS

things = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("words", String(200)),
    Column("whole", Integer),
    Column("large", mysql.BIGINT(unsigned=True)),
    Column("price", Numeric(38, 2)),
    Column("rate", Double),
    Column("yes", Boolean),
    Column("day", Date),
    Column("hour", mysql.TIME(fsp=6)),
    Column("at", mysql.TIMESTAMP(timezone=True, fsp=6)),
    Column("local_at", mysql.DATETIME(fsp=6)),
    Column("uid", Uuid),
    Column("kind", Enum("small", "big")),
    Column("raw", LargeBinary),
    Column("extra", JSON),
    Column("answers", JSON),
)
questions = union_all(
    select(literal("one").label("key"), literal("One?").label("label"), literal(False).label("multiple")),
    select(literal("many"), literal("Many?"), literal(True)),
).subquery()
REPORT = Report(
    name="things",
    title="Things",
    select=select(*[column_ for column_ in things.c if column_.name != "answers"]),
    key=things.c.id,
    sort="id",
    filters={"words": things.c.words},
    questions=Questions(
        things.c.answers, select(questions.c.key, questions.c.label, questions.c.multiple), {}
    ),
)
FULL = {
    "words": 'He said "hi",\r\nthen left 🌳',
    "whole": -5,
    "large": 2**64 - 1,
    "price": Decimal("123456789012345678901234567890.10"),
    "rate": 0.1 + 0.2,
    "yes": True,
    "day": date(9999, 12, 31),
    "hour": time(23, 59, 59, 120),
    "at": datetime(2024, 10, 27, 0, 30, 0, 7, UTC),
    "local_at": datetime.fromisoformat("9999-12-31T23:59:59.999999"),
    "uid": UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"),
    "kind": "big",
    "raw": b"\x00\xff",
    "extra": {"bb": 1.5, "a": [None, "ü"]},
    "answers": {"one": 12345678901234567890123, "many": ["a", "b; c"]},
}
FULL_TEXT = (
    '"He said ""hi"",\r\nthen left 🌳",-5,18446744073709551615,123456789012345678901234567890.10,'
    "0.30000000000000004,true,9999-12-31,23:59:59.00012,2024-10-27T02:30:00.000007+02:00,"
    "9999-12-31T23:59:59.999999,899e1228-d7b8-40fc-8490-70e6f1efb338,big,\\x00ff,"
    '"{""bb"": 1.5, ""a"": [null, ""\\u00fc""]}",12345678901234567890123,a; b; c\n'
)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with mariadb.running() as url:
        yield url


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    things.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def load(engine: Engine) -> Callable[..., None]:
    def load(*rows: dict[str, Any]) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET time_zone = '+00:00'")
            connection.execute(delete(things))
            for number, row in enumerate(rows, start=1):
                connection.execute(insert(things), {"id": number} | row)

    return load


def things_request(report: Report = REPORT, **fields: Any) -> ExportRequest:
    body = {"report": report.name, "timeZone": "Europe/Berlin", "csv": {"header": "none"}}
    return parse_request(body | fields, {report.name: report})


def open_snapshot(engine: Engine, seconds: int = 60) -> Any:
    return snapshot(engine, "UTC", seconds, lambda: datetime.now(UTC))


def test_every_type_is_read_exactly(engine: Engine, load: Callable[..., None]) -> None:
    load(FULL, {"words": ""}, {})
    expected = f'1,{FULL_TEXT}2,"",{"," * 14}\n3,{"," * 15}\n'
    assert file_by_sqlalchemy(engine, things_request()).decode() == expected


def test_a_transform_that_changes_nothing_keeps_every_byte(engine: Engine, load: Callable[..., None]) -> None:
    load(FULL, {"words": ""}, {})
    unchanged = replace(REPORT, transform=lambda frame: frame)
    assert file_by_sqlalchemy(engine, things_request(unchanged)) == file_by_sqlalchemy(
        engine, things_request()
    )


def test_a_transform_recodes(engine: Engine, load: Callable[..., None]) -> None:
    def recode(frame: pd.DataFrame) -> pd.DataFrame:
        frame["words"] = frame["words"].fillna("none").str.upper()
        frame["yes"] = ~frame["yes"]
        return frame

    load({"words": "a", "yes": False}, {})
    request = things_request(replace(REPORT, transform=recode), columns=["words", "yes"])
    assert file_by_sqlalchemy(engine, request) == b"A,true\nNONE,\n"


def test_timestamps_do_not_depend_on_the_servers_time_zone(engine: Engine, load: Callable[..., None]) -> None:
    load({"at": datetime(2024, 7, 19, 12, tzinfo=UTC)})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET GLOBAL time_zone = '+05:30'")
        assert (
            file_by_sqlalchemy(engine, things_request(columns=["at"]))
            == b"2024-07-19T14:00:00.000000+02:00\n"
        )
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("SET GLOBAL time_zone = 'SYSTEM'")


WORDS = ["b", "A", "a", "Ä", "a ", "ä", "B", "", "ß", "ss", "Z", None, "é", "E", "e", None]


@pytest.mark.parametrize("sort", ["words", "-words"])
@pytest.mark.parametrize("by", ["page", "cursor"])
def test_all_pages_together_equal_the_file_in_the_servers_order(
    url: str, engine: Engine, load: Callable[..., None], sort: str, by: str
) -> None:
    load(*[{"words": text} for text in WORDS])
    request = things_request(sort=sort, columns=["id", "words"])
    written = [line.split(",") for line in file_by_sqlalchemy(engine, request).decode().splitlines()]
    source = Source(ApiSettings(database_url=url, storage_url="file:///nowhere"), lambda: datetime.now(UTC))
    rows, number, cursor = [], 1, None
    while True:
        page = anyio.run(source.page, request, 3, number, cursor)
        rows += page.rows
        if page.next_cursor is None:
            break
        number, cursor = number + 1, page.next_cursor if by == "cursor" else None
    source.close()
    assert [str(row["id"]) for row in rows] == [line[0] for line in written]
    assert sorted(row["id"] for row in rows) == list(range(1, len(WORDS) + 1))


def test_a_filter_follows_the_columns_collation(engine: Engine, load: Callable[..., None]) -> None:
    load(*[{"words": text} for text in ("a", "A", "b")])
    with open_snapshot(engine) as snap:
        assert snap.scalar(statement.count(things_request(filters={"words": "a"}))) == 2
    assert file_by_sqlalchemy(engine, things_request(columns=["words"], filters={"words": "a"})) == b"a\nA\n"


def count_and_fetch(snap: Snapshot, engine: Engine) -> tuple[int, int]:
    """Count the rows, delete most of them over another connection, then fetch the rows.

    Return the count and the number of rows fetched.
    """
    request = things_request(columns=["id"])
    counted = snap.scalar(statement.count(request))
    with engine.begin() as connection:
        connection.execute(delete(things).where(things.c.id > 10))
    columns = statement.output_columns(request, [])
    return counted, sum(chunk.rows for chunk in sqlalchemy_rows.fetch(snap, request, columns))


def test_count_and_rows_come_from_one_snapshot(engine: Engine, load: Callable[..., None]) -> None:
    load(*[{}] * 50)
    with open_snapshot(engine) as snap:
        assert count_and_fetch(snap, engine) == (50, 50)


def test_without_a_snapshot_count_and_rows_differ(engine: Engine, load: Callable[..., None]) -> None:
    """Control for the test above: under READ COMMITTED, the count and the fetched rows differ."""
    load(*[{}] * 50)
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        assert count_and_fetch(Snapshot(connection, datetime.now(UTC)), engine) == (50, 10)


def test_a_snapshot_is_read_only(engine: Engine) -> None:
    with pytest.raises(ExportError), open_snapshot(engine) as snap:
        snap.connection.execute(delete(things))


slow = Report(
    name="slow",
    title="Slow",
    select=select(things.c.id, func.sleep(0.05).label("slept")),
    key=things.c.id,
)


def error_type(engine: Engine, request: ExportRequest, seconds: int = 60) -> type[ExportError]:
    with pytest.raises(ExportError) as raised, open_snapshot(engine, seconds) as snap:
        file_from_snapshot(snap, request)
    return type(raised.value)


def test_a_statement_has_a_time_limit(engine: Engine, load: Callable[..., None]) -> None:
    load(*[{}] * 100)
    assert error_type(engine, things_request(slow), seconds=1) is SourceTimeout


@pytest.mark.parametrize(("kill", "kind"), [("QUERY", SourceCancelled), ("CONNECTION", SourceUnavailable)])
def test_a_killed_query_differs_from_a_killed_connection(
    engine: Engine, load: Callable[..., None], kill: str, kind: type[ExportError]
) -> None:
    load(*[{}] * 100)
    killed = threading.Event()

    def kill_slow_queries() -> None:
        running = "SELECT id FROM information_schema.processlist WHERE info LIKE '/*%%SELECT things%%sleep%%'"
        with engine.connect() as connection:
            while not killed.is_set():
                for (victim,) in connection.exec_driver_sql(running).all():
                    connection.exec_driver_sql(f"KILL {kill} {victim}")
                    killed.set()

    thread = threading.Thread(target=kill_slow_queries)
    thread.start()
    try:
        assert error_type(engine, things_request(slow)) is kind
    finally:
        killed.set()
        thread.join()


def test_a_query_shows_job_report_and_caller(engine: Engine) -> None:
    origin = Origin("things", "899e1228", "ada")
    with snapshot(engine, "UTC", 60, now, origin=origin) as opened:
        query = opened.connection.execute(
            text("SELECT info FROM information_schema.processlist WHERE id = connection_id()")
        ).scalar_one()
    assert query.startswith("/* report-exports job=899e1228 report=things caller=ada */ SELECT info")


def test_an_abandoned_export_leaves_no_query(engine: Engine, load: Callable[..., None]) -> None:
    load(*[{"words": "x" * 200}] * ROWS)
    many = select(things.c.id, things.c.words).join(things.alias("others"), literal(True))
    report = Report(name="many", title="Many", select=many, key=things.c.id)
    request = things_request(report)
    columns = statement.output_columns(request, [])
    query = statement.rows(request, sqlalchemy_rows.expressions(columns, things.c.id)).order_by(None)
    with open_snapshot(engine) as snap:
        reader = partial(sqlalchemy_rows.chunk_of, columns=columns)
        chunks = sqlalchemy_rows.fetch_with(lambda _: reader, snap, query)
        assert next(chunks).rows == sqlalchemy_rows.CHUNK_ROWS
        chunks.close()  # type: ignore[attr-defined]
        assert snap.scalar(select(literal(1))) == 1
    with engine.connect() as connection:
        running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '/*%%SELECT things%%'"
        assert connection.exec_driver_sql(running).scalar_one() == 0


def test_a_missing_table_is_not_retried(engine: Engine) -> None:
    nothing = Table("nothing", MetaData(), Column("id", Integer, primary_key=True))
    report = Report(name="nothing", title="Nothing", select=select(nothing), key=nothing.c.id)
    assert error_type(engine, things_request(report)) is ReportInvalid


def test_a_missing_column_is_not_retried(engine: Engine) -> None:
    report = Report(name="gap", title="Gap", select=select(things.c.id, column("gap")), key=things.c.id)
    assert error_type(engine, things_request(report)) is ReportInvalid


# pymysql leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fields", [{"unix_socket": "/nowhere/socket"}, {"user": "nobody", "password": "x"}])
def test_a_refused_connection_is_retried(url: str, fields: dict[str, str]) -> None:
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool, connect_args=fields)
    with pytest.raises(SourceUnavailable), open_snapshot(engine):
        pass
    gc.collect()


def test_the_error_names_row_and_column_of_an_unreadable_value(
    engine: Engine, load: Callable[..., None]
) -> None:
    load({}, {"words": "soon"})
    wrong = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("words", JSON))
    report = Report(name="wrong", title="Wrong", select=select(wrong), key=wrong.c.id)
    with pytest.raises(UnreadableRow, match="Column words of the row with key 2 contains"):
        file_by_sqlalchemy(engine, things_request(report))


def test_tinyint_1_is_a_number_if_the_report_declares_a_number(
    engine: Engine, load: Callable[..., None]
) -> None:
    load({"yes": True})
    kinds: list[TypeEngine[Any]] = [Boolean(), Integer(), mysql.TINYINT(1), BigInteger()]
    written = []
    for kind in kinds:
        table = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("yes", kind))
        report = Report(name="bits", title="Bits", select=select(table.c.yes), key=table.c.id)
        written.append((type_name(kind), file_by_sqlalchemy(engine, things_request(report))))
    assert written == [("boolean", b"true\n"), *[("integer", b"1\n")] * 3]
