"""Test that the files of every format contain the values that PostgreSQL stores."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from flows.sources.snapshot import open_engine
from tests.support.column_strategies import (
    PROOF,
    ZONES,
    kinds_request,
    load,
    of_postgresql,
    rows_of,
    table_in,
)
from tests.support.engines import file_by_copy, file_by_copy_chunks, file_by_sqlalchemy
from tests.support.formats_read_back import (
    column_types,
    compare_jsonl,
    compare_parquet,
    compare_xlsx,
    csv_cells,
)

examples = settings(PROOF, max_examples=25)


@pytest.fixture(scope="module")
def own_rows(scratch_url: str) -> Iterator[Engine]:
    yield from table_in(open_engine(scratch_url, connect_seconds=5), of_postgresql)


@pytest.mark.parametrize("write_file", [file_by_copy_chunks, file_by_sqlalchemy])
@examples
@given(rows=rows_of(of_postgresql), zone=st.sampled_from(ZONES))
def test_json_lines_contain_the_values_of_postgresql(
    own_rows: Engine, write_file: Any, rows: list[dict[str, Any]], zone: str
) -> None:
    load(own_rows, of_postgresql, rows)
    request = kinds_request(of_postgresql, format="jsonl", timeZone=zone, sort="id")
    expected = csv_cells(partial(file_by_copy, own_rows), request)
    compare_jsonl(write_file(own_rows, request), *expected, column_types(of_postgresql))


@pytest.mark.parametrize("write_file", [file_by_copy_chunks, file_by_sqlalchemy])
@examples
@given(rows=rows_of(of_postgresql), zone=st.sampled_from(ZONES))
def test_parquet_contains_the_values_of_postgresql(
    own_rows: Engine, write_file: Any, rows: list[dict[str, Any]], zone: str
) -> None:
    load(own_rows, of_postgresql, rows)
    request = kinds_request(of_postgresql, format="parquet", timeZone=zone, sort="id")
    expected = csv_cells(partial(file_by_copy, own_rows), request)
    lists = {name: [row[name] for row in rows] for name in ("tags", "counts", "moments")}
    compare_parquet(write_file(own_rows, request), *expected, lists)


@pytest.mark.parametrize("write_file", [file_by_copy_chunks, file_by_sqlalchemy])
@examples
@given(rows=rows_of(of_postgresql), zone=st.sampled_from(ZONES))
def test_workbooks_contain_the_values_of_postgresql(
    own_rows: Engine, write_file: Any, rows: list[dict[str, Any]], zone: str
) -> None:
    load(own_rows, of_postgresql, rows)
    request = kinds_request(of_postgresql, format="xlsx", xlsx={"header": "keys"}, timeZone=zone, sort="id")
    expected = csv_cells(partial(file_by_copy, own_rows), request)
    compare_xlsx(write_file(own_rows, request), *expected, column_types(of_postgresql))
