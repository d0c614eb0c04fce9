"""Test that files in every format contain the values stored in each database."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table
from sqlalchemy.pool import NullPool

from flows.query.request import ExportRequest
from flows.sources.snapshot import open_engine
from tests.support import mariadb
from tests.support.column_strategies import (
    PROOF,
    ZONES,
    common,
    kinds_request,
    load,
    of_mariadb,
    of_postgresql,
    rows_of,
    table_in,
)
from tests.support.engines import (
    file_by_concat,
    file_by_copy,
    file_by_copy_chunks,
    file_by_second_process,
    file_by_sqlalchemy,
)
from tests.support.formats_read_back import (
    column_types,
    compare_jsonl,
    compare_parquet,
    compare_xlsx,
    csv_cells,
)

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

WriteFile = Callable[[Engine, ExportRequest], bytes]

LISTS = ("tags", "counts", "moments")
examples = settings(PROOF, max_examples=10)


@pytest.fixture(scope="module")
def postgresql(scratch_url: str) -> Iterator[Engine]:
    yield from table_in(open_engine(scratch_url, connect_seconds=5), of_postgresql)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@pytest.fixture(scope="module")
def maria() -> Iterator[Engine]:
    with mariadb.running() as url:
        yield from table_in(open_engine(url, connect_seconds=5, poolclass=NullPool), of_mariadb)


def check_every_format(
    engine: Engine,
    table: Table,
    rows: list[dict[str, Any]],
    zone: str,
    write_csv: WriteFile,
    write_files: Sequence[WriteFile],
) -> None:
    """Check that the JSON Lines, Parquet and XLSX files match the CSV file, cell by cell.

    Each function in `write_files` reads the rows from a different source.
    """
    load(engine, table, rows)
    request = partial(kinds_request, table, timeZone=zone, sort="id")
    keys, cells = csv_cells(partial(write_csv, engine), request())
    lists = {name: [row[name] for row in rows] for name in LISTS if name in table.c}
    types = column_types(table)
    for write_file in write_files:
        write = partial(write_file, engine)
        compare_jsonl(write(request(format="jsonl")), keys, cells, types)
        compare_parquet(write(request(format="parquet")), keys, cells, lists)
        compare_xlsx(write(request(format="xlsx", xlsx={"header": "keys"})), keys, cells, types)


@examples
@given(rows=rows_of(of_postgresql), zone=st.sampled_from(ZONES))
def test_every_format_contains_the_values_of_postgresql(
    postgresql: Engine, rows: list[dict[str, Any]], zone: str
) -> None:
    sources = [file_by_copy_chunks, file_by_sqlalchemy]
    check_every_format(postgresql, of_postgresql, rows, zone, file_by_copy, sources)


@examples
@given(rows=rows_of(common), zone=st.sampled_from(ZONES))
def test_every_format_contains_the_values_of_sqlite(
    sqlite: Engine, rows: list[dict[str, Any]], zone: str
) -> None:
    sources = [file_by_sqlalchemy, file_by_second_process]
    check_every_format(sqlite, common, rows, zone, file_by_sqlalchemy, sources)


@examples
@given(rows=rows_of(of_mariadb), zone=st.sampled_from(ZONES))
def test_every_format_contains_the_values_of_mariadb(
    maria: Engine, rows: list[dict[str, Any]], zone: str
) -> None:
    sources = [file_by_sqlalchemy, file_by_concat]
    check_every_format(maria, of_mariadb, rows, zone, file_by_sqlalchemy, sources)
