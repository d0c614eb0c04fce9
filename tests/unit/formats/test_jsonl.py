"""Test that JSON Lines files contain the table's values with the right JSON types."""

import gzip
import json
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from sqlalchemy import JSON, Column, Engine, Integer, LargeBinary, Numeric, Text
from sqlalchemy.pool import NullPool

from flows.errors import UnreadableRow
from flows.formats.options import InvalidOptions
from flows.formats.registry import FORMATS
from flows.rows.columns import OutputColumn, type_name
from flows.rows.pipeline import Block, Chunk
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import PROOF, common, kinds_request, load, rows_of, table_in
from tests.support.engines import file_by_sqlalchemy
from tests.support.formats_read_back import column_types, compare_jsonl, csv_cells
from tests.support.golden import FOLDER, golden
from tests.support.golden_rows import request_with
from tests.support.writers import file_of_chunk

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


class AnyJson(JSON):
    """A custom type whose values are decoded before they reach the export."""


def column(kind: Any) -> OutputColumn:
    return OutputColumn("c", "C", type_name(kind), False, Column("c", kind))


def written(kind: Any, cells: list[Any]) -> list[str]:
    content = file_of_chunk("jsonl", [column(kind)], Chunk([cells], list(range(len(cells)))))
    return [line.removeprefix('{"c":').removesuffix("}") for line in content.decode().split("\n")[:-1]]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@settings(PROOF, max_examples=60)
@given(rows=rows_of(common))
def test_every_value_is_read_back_from_sqlite(sqlite: Engine, rows: list[dict[str, Any]]) -> None:
    load(sqlite, common, rows)
    request = kinds_request(common, format="jsonl", timeZone="Europe/Madrid", sort="id")
    write_file = partial(file_by_sqlalchemy, sqlite)
    compare_jsonl(write_file(request), *csv_cells(write_file, request), column_types(common))


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        (Numeric(), [1, "NaN", None, "Infinity"], ["1", '"NaN"', "null", '"Infinity"']),
        (Numeric(), [0.1, float("nan"), 1e300], ["0.1", '"NaN"', "1e+300"]),
        (Integer(), [2**70, "007", True], [str(2**70), '"007"', '"true"']),
        (Text(), ['a"\\\n\x01\u2028', ""], [r'"a\"\\\n\u0001' + '\u2028"', '""']),
        (LargeBinary(), [b"\x00\xff"], [r'"\\x00ff"']),
        (JSON(), ['{"a":\n[1.50,\r\n"\\n"]}', "NaN", '"NaN"'], ['{"a": [1.50,  "\\n"]}', '"NaN"', '"NaN"']),
        (AnyJson(), ["plain words", {"b": 1}, '{"a":2}'], ['"plain words"', '{"b": 1}', '{"a":2}']),
    ],
    ids=["decimals", "floats", "integers", "text", "bytes", "documents", "custom documents"],
)
def test_every_cell_is_valid_json(kind: Any, cells: list[Any], expected: list[str]) -> None:
    assert written(kind, cells) == expected
    for value in expected:
        json.loads(value)


def test_a_text_that_is_not_unicode_is_reported_with_its_row() -> None:
    with pytest.raises(UnreadableRow, match="Column c of the row with key 1 "):
        written(Text(), ["a", "\ud800"])


def test_an_export_without_rows_is_an_empty_file() -> None:
    assert file_of_chunk("jsonl", [column(Text())], None) == b""


def test_gzip_contains_the_same_lines() -> None:
    request = request_with(format="jsonl", jsonl={"compression": "gzip"})
    container = request.format.container(request.options, None)  # type: ignore[arg-type]
    packed = container.add(Block(1, golden("things.jsonl"))) + container.finish()
    assert gzip.decompress(packed) == golden("things.jsonl")
    assert request.file_name(1).endswith(".jsonl.gz")


def test_zstd_is_a_single_frame_with_the_same_lines(tmp_path: Path) -> None:
    request = request_with(format="jsonl", jsonl={"compression": "zstd"})
    container = request.format.container(request.options, None)  # type: ignore[arg-type]
    lines = golden("things.jsonl").splitlines(keepends=True)
    packed = b"".join(container.add(Block(1, line)) for line in lines) + container.finish()
    assert packed.count(bytes.fromhex("28b52ffd")) == 1  # the magic number of a frame
    file = tmp_path / "things.jsonl.zst"
    file.write_bytes(packed)
    assert pa.CompressedInputStream(str(file), "zstd").read() == golden("things.jsonl")
    assert len(duckdb.sql(f"FROM read_json('{file}')").fetchall()) == len(lines)
    assert request.file_name(1).endswith(".jsonl.zst")


@pytest.mark.parametrize(
    ("value", "option"),
    [
        ("gzip", None),
        ({"compression": "zip"}, "compression"),
        ({"compression": []}, "compression"),
        ({"x": 1}, "x"),
    ],
)
def test_invalid_options_are_named(value: Any, option: str | None) -> None:
    with pytest.raises(InvalidOptions) as invalid:
        FORMATS["jsonl"].parse_options(value)
    assert list(invalid.value.reasons) == [option]


def test_duckdb_infers_the_types() -> None:
    query = "SELECT large, price, yes, day, extra.bb FROM read_json(?) WHERE id = 1"
    rows = duckdb.execute(query, [str(FOLDER / "things.jsonl")]).fetchall()
    assert rows == [(2**63 - 1, 9.9, True, date(2024, 7, 9), 1.5)]
