"""Test that Parquet files contain the table's values with exact types."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import parquet
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
    cast,
    func,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.pool import NullPool

from flows.errors import UnreadableRow
from flows.formats.parquet import writer as parquet_writer
from flows.formats.parquet.list_text import parse_list
from flows.formats.parquet.schema import column_type
from flows.rows.columns import OutputColumn, type_name
from flows.rows.pipeline import Chunk
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import PROOF, common, kinds_request, load, rows_of, table_in
from tests.support.engines import file_by_sqlalchemy, file_from_snapshot
from tests.support.formats_read_back import compare_parquet, csv_cells
from tests.support.golden import golden
from tests.support.golden_rows import ROWS, request_with
from tests.support.sample_report import things_snapshot
from tests.support.writers import file_of_chunk, file_of_chunks

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


def column(kind: Any, expression: Any = None) -> OutputColumn:
    return OutputColumn(
        "c", "C", type_name(kind), False, Column("c", kind) if expression is None else expression
    )


def read(content: bytes) -> pa.Table:
    return parquet.read_table(pa.BufferReader(content))


def written(kind: Any, cells: Any, zone: str = "UTC") -> pa.Table:
    keys = [f"row {number}" for number in range(len(cells))]
    return read(file_of_chunk("parquet", [column(kind)], Chunk([cells], keys), zone=zone))


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@settings(PROOF, max_examples=40)
@given(rows=rows_of(common))
def test_every_value_is_read_back_from_sqlite(sqlite: Engine, rows: list[dict[str, Any]]) -> None:
    load(sqlite, common, rows)
    request = kinds_request(common, format="parquet", timeZone="Europe/Madrid", sort="id")
    write_file = partial(file_by_sqlalchemy, sqlite)
    compare_parquet(write_file(request), *csv_cells(write_file, request))


PRICE = Column("price", Numeric(12, 2))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Integer(), pa.int64()),
        (BigInteger(), pa.int64()),
        (mysql.BIGINT(unsigned=True), pa.uint64()),
        (Numeric(12, 2), pa.decimal128(12, 2)),
        (Numeric(3, 5), pa.decimal128(5, 5)),
        (Numeric(40, 15), pa.decimal256(40, 15)),
        (Numeric(80, 2), pa.large_string()),
        (Numeric(5, -2), pa.large_string()),
        (Numeric(12), pa.large_string()),
        (Numeric(), pa.large_string()),
        (Numeric(12, 2, asdecimal=False), pa.float64()),
        (Double(), pa.float64()),
        (REAL(), pa.float64()),
        (Boolean(), pa.bool_()),
        (Date(), pa.date32()),
        (DateTime(), pa.timestamp("us")),
        (DateTime(timezone=True), pa.timestamp("us", "Europe/Madrid")),
        (Time(), pa.time64("us")),
        (Time(timezone=True), pa.large_string()),
        (mysql.TIME(), pa.large_string()),
        (LargeBinary(), pa.large_binary()),
        (Uuid(), pa.large_string()),
        (String(5), pa.large_string()),
        (ARRAY(Integer), pa.list_(pa.int64())),
        (ARRAY(Text, dimensions=2), pa.list_(pa.list_(pa.large_string()))),
    ],
    ids=repr,
)
def test_the_type_follows_the_sql_type(kind: Any, expected: pa.DataType) -> None:
    assert column_type(column(kind), "Europe/Madrid") == expected


def test_a_sum_may_have_more_digits_than_its_column() -> None:
    for expression, digits in (
        (func.sum(PRICE).label("total"), 38),
        (cast(PRICE, Numeric(12, 2)).label("total"), 12),
        (PRICE.label("total"), 12),
    ):
        assert column_type(column(PRICE.type, expression), "UTC") == pa.decimal128(digits, 2)


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        (
            Numeric(5, 2),
            [Decimal("1.50"), 2, 0.25, None],
            [Decimal("1.50"), Decimal(2), Decimal("0.25"), None],
        ),
        (Double(), [0.1, 5, Decimal("0.1"), None], [0.1, 5.0, 0.1, None]),
        (
            ARRAY(Text),
            ['{a,"b, \\"c\\\\",NULL,"NULL",""}', "{}", None],
            [["a", 'b, "c\\', None, "NULL", ""], [], None],
        ),
        (ARRAY(Integer, dimensions=2), ["{{1,2},{3,NULL}}"], [[[1, 2], [3, None]]]),
        (ARRAY(Boolean), ["{t,f}"], [[True, False]]),
        (Time(), [time(23, 59, 59, 5)], [time(23, 59, 59, 5)]),
        (LargeBinary(), [b"\x00\xff", None], [b"\x00\xff", None]),
    ],
    ids=repr,
)
def test_values_keep_their_value(kind: Any, cells: list[Any], expected: list[Any]) -> None:
    assert written(kind, cells)["c"].to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Numeric(5, 2), Decimal("1.005")),
        (Numeric(5, 2), Decimal(12345)),
        (Numeric(5, 2), Decimal("NaN")),
        (Numeric(5, 2), "1.5"),
        (Double(), 2**53 + 1),
        (Double(), Decimal("0.12345678901234567890")),
        (Integer(), 2**63),
        (Integer(), True),
        (Integer(), 1.0),
        (Boolean(), 1),
        (Date(), "infinity"),
        (Date(), datetime(2024, 1, 1, tzinfo=UTC)),
        (DateTime(timezone=True), "0044-03-15 BC"),
        (Time(), "24:00:00"),
        (LargeBinary(), "text"),
        (ARRAY(Integer), "[0:1]={1,2}"),
        (ARRAY(Integer), "{{1}}"),
        (ARRAY(Text, dimensions=2), "{a}"),
        (ARRAY(Integer), "{1"),
        (ARRAY(Integer), "{1}}"),
        (Text(), "\ud800"),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_reported_with_its_row(kind: Any, value: Any) -> None:
    with pytest.raises(UnreadableRow, match="Column c of the row with key row 1 "):
        written(kind, [None, value])


def test_timestamps_have_the_time_zone_of_the_request() -> None:
    moment = datetime(2024, 7, 19, 12, 30, tzinfo=UTC)
    table = written(DateTime(timezone=True), [moment, moment.replace(tzinfo=None)], "Asia/Kathmandu")
    assert [str(value) for value in table["c"].to_pylist()] == ["2024-07-19 18:15:00+05:45"] * 2


def test_row_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_writer, "ROWS_PER_GROUP", 5)
    chunks = [Chunk([[number, None]], [number, -number]) for number in range(6)]
    metadata = parquet.ParquetFile(
        pa.BufferReader(file_of_chunks("parquet", [column(Integer())], chunks))
    ).metadata
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [6, 6]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_an_export_without_rows_has_a_schema() -> None:
    table = read(file_of_chunk("parquet", [column(Date())], None))
    assert (table.num_rows, table.schema.field("c").type) == (0, pa.date32())


def test_the_file_matches_the_golden_file(tmp_path: Path) -> None:
    with things_snapshot(ROWS) as snap:
        content = file_from_snapshot(snap, request_with(format="parquet"))
    table = read(content)
    assert table.schema.field("answers.q1").metadata == {b"label": b"Which?"}
    assert table.schema.metadata[b"title"] == b"Things"
    lines = [*map(str, table.schema.remove_metadata()), *map(str, table.to_pylist())]
    assert "\n".join(lines) + "\n" == golden("things.parquet.txt").decode()
    file = tmp_path / "things.parquet"
    file.write_bytes(content)
    rows = duckdb.read_parquet(str(file)).project("price, day, extra").limit(1).fetchall()
    first = (Decimal("9.90"), date(2024, 7, 9), '{"a": [null, "ü"], "bb": 1.5}')
    assert rows == [first]
    frame = pd.read_parquet(file, columns=["price", "day", "extra"])
    assert tuple(frame.iloc[0]) == first


@pytest.mark.parametrize("text", ["", "1", "{a", None, '{"a}'])
def test_a_text_that_is_no_array_is_rejected(text: Any) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_list(text)
