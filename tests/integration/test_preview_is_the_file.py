"""Test that a preview shows the first lines of the file, with any options, on PostgreSQL and SQLite."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from api.tables.first_lines import first_lines
from flows.formats.registry import FORMATS
from flows.query.request import ExportRequest
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import PROOF, common, kinds_request, load, requests_of, rows_of, table_in
from tests.support.engines import file_by_copy, file_by_sqlalchemy, reading, with_transform

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")
examples = settings(PROOF, max_examples=30)


@pytest.fixture(scope="module")
def postgresql(scratch_url: str) -> Iterator[Engine]:
    yield from table_in(open_engine(scratch_url, connect_seconds=5), common)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


def preview(engine: Engine, request: ExportRequest, rows: int) -> list[str] | None:
    with reading(engine, request) as opened:
        opening = opened.opening
        return first_lines(opened.snapshot, request, opening.columns, opening.read, opening.expected, rows)


def first_file(content: bytes) -> list[str]:
    """Return the lines of the file. For a zip archive, return the lines of the first file in it.

    The byte order mark and the line endings are removed.
    """
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    elif content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    lines = content.decode().removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in lines[:-1]]


@examples
@given(rows=rows_of(common), request=requests_of(common))
def test_a_preview_of_all_rows_is_the_first_file(
    postgresql: Engine, sqlite: Engine, rows: list[dict[str, Any]], request: ExportRequest
) -> None:
    load(postgresql, common, rows)
    load(sqlite, common, rows)
    expected = first_file(file_by_copy(postgresql, request))
    assert preview(postgresql, request, 100) == expected
    assert preview(postgresql, with_transform(request), 100) == expected
    assert preview(sqlite, request, 100) == expected


@examples
@given(rows=rows_of(common), request=requests_of(common))
def test_a_preview_of_some_rows_is_the_start_of_the_file(
    sqlite: Engine, rows: list[dict[str, Any]], request: ExportRequest
) -> None:
    load(sqlite, common, rows)
    lines = preview(sqlite, request, 2)
    assert lines is not None
    assert lines == first_file(file_by_sqlalchemy(sqlite, request))[: len(lines)]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_lines_exactly_if_it_is_a_text_file(sqlite: Engine, name: str) -> None:
    load(sqlite, common, [])
    request = kinds_request(common, format=name)
    lines = preview(sqlite, request, 5)
    content = file_by_sqlalchemy(sqlite, request)
    is_text = content.isascii() and b"\0" not in content and not content.startswith((b"PK", b"PAR1"))
    assert (lines is not None) == is_text
    assert lines is None or lines == first_file(content)


@examples
@given(rows=rows_of(common), request=requests_of(common))
def test_json_lines_are_previewed_as_in_the_file(
    sqlite: Engine, rows: list[dict[str, Any]], request: ExportRequest
) -> None:
    load(sqlite, common, rows)
    jsonl = FORMATS["jsonl"]
    as_jsonl = replace(request, format=jsonl, options=jsonl.parse_options(None), codebook=False)
    assert preview(sqlite, as_jsonl, 100) == first_file(file_by_sqlalchemy(sqlite, as_jsonl))
