"""Test that other programs read the stored values back from exported CSV files."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import csv as pyarrow_csv
from sqlalchemy import Engine

from flows.formats.csv.options import CsvOptions
from flows.query.request import ExportRequest
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import (
    PROOF,
    QUESTIONS,
    common,
    csv_options,
    kinds_request,
    load,
    of_postgresql,
    rows_of,
    table_in,
)
from tests.support.engines import file_by_copy

Rows = list[list[str | None]]
Table = list[dict[str, Any]]

examples = settings(PROOF, max_examples=50)
# Options that neither change values nor compress the file.
readable_options = csv_options().map(
    lambda options: (
        options
        | {
            "header": "keys",
            "dateTimes": "iso",
            "formulaGuard": False,
            "textNumbers": "keep",
            "compression": "none",
            "splitRows": None,
        }
    )
)


@pytest.fixture(scope="module")
def filled(scratch_url: str) -> Iterator[Engine]:
    yield from table_in(open_engine(scratch_url, connect_seconds=5), common)


@pytest.fixture(scope="module")
def own_rows(scratch_url: str) -> Iterator[Engine]:
    yield from table_in(open_engine(scratch_url, connect_seconds=5), of_postgresql)


@pytest.fixture(scope="module")
def server(scratch_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(scratch_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def by_python(content: bytes, dialect: CsvOptions) -> Rows:
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [[*row] for row in csv.reader(text, strict=True, delimiter=dialect.delimiter)][1:]


def by_pandas(content: bytes, dialect: CsvOptions) -> Rows:
    frame = pd.read_csv(
        io.BytesIO(content), sep=dialect.delimiter, dtype=str, keep_default_na=False, encoding="utf-8-sig"
    )
    return [[*row] for row in frame.itertuples(index=False)]


def by_pyarrow(content: bytes, dialect: CsvOptions) -> Rows:
    names = kinds_request(common).report.table_columns.keys() | {f"answers.{key}" for key in QUESTIONS}
    table = pyarrow_csv.read_csv(
        pa.BufferReader(content),
        parse_options=pyarrow_csv.ParseOptions(
            delimiter=dialect.delimiter, newlines_in_values=True, ignore_empty_lines=False
        ),
        convert_options=pyarrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [[*row.values()] for row in table.to_pylist()]


READ_CSV = """
    SELECT * FROM read_csv(?, delim=?, header=true, all_varchar=true, quote='"', escape='"', nullstr='',
        allow_quoted_nulls=false)
"""


def by_duckdb(content: bytes, dialect: CsvOptions, file: Path) -> Rows:
    file.write_bytes(content)
    with duckdb.connect() as duck:
        return [[*row] for row in duck.execute(READ_CSV, [str(file), dialect.delimiter]).fetchall()]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def document(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


READ: dict[str, Callable[[str], Any]] = {
    "id": int,
    "whole": int,
    "large": int,
    "price": Decimal,
    "rate": float,
    "yes": boolean,
    "day": date.fromisoformat,
    "hour": time.fromisoformat,
    "at": instant,
    "localAt": datetime.fromisoformat,
    "uid": UUID,
    "raw": lambda text: bytes.fromhex(text.removeprefix("\\x")),
    "extra": document,
}
NUMBERS = ("price", "rate")


def json_value(value: Any) -> Any:
    """Return the value after a round trip through JSON that keeps numbers exact."""
    return document(json.dumps(value)) if value is not None else None


def file_rows(rows_in: Table, request: ExportRequest) -> Table:
    """Return the rows as dictionaries that use the file's column keys, in the file's column order."""
    columns = {column.name: key for key, column in zip(request.report.table_columns, common.c, strict=False)}
    return [
        {key: row.get(name) if name != "extra" else json_value(row[name]) for name, key in columns.items()}
        | {"id": number}
        | {f"answers.{key}": answer_text(row["answers"], key) for key in QUESTIONS}
        for number, row in enumerate(rows_in, start=1)
    ]


def answer_text(answers: dict[str, Any], key: str) -> Any:
    """Return a text answer. test_engines_agree.py covers answers of other types."""
    return answers.get(key)


def assert_read(rows: Rows, expected: Table, request: ExportRequest, nulls: bool) -> None:
    """Compare all cells with the expected values.

    `nulls` is true if the reader distinguishes null from an empty string.
    """
    assert len(rows) == len(expected)
    for cells, row in zip(rows, expected, strict=True):
        for cell, (key, value) in zip(cells, row.items(), strict=True):
            if cell is None or (cell == "" and not nulls):
                assert value is None or (value == "" and not nulls), key
            else:
                assert read_value(cell, key, request.options) == value, key


def read_value(cell: str, key: str, dialect: CsvOptions) -> Any:
    number = cell.replace(dialect.decimal_mark, ".") if key in NUMBERS else cell
    return READ.get(key, str)(number)


@examples
@given(rows_in=rows_of(common), options=readable_options)
def test_every_program_reads_the_stored_values(
    filled: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    rows_in: Table,
    options: dict[str, Any],
) -> None:
    for row in rows_in:  # Keep only text answers.
        row["answers"] = {key: text for key, text in row["answers"].items() if isinstance(text, str)}
    load(filled, common, rows_in)
    request = kinds_request(common, csv=options, timeZone="America/New_York", sort="id")
    content, expected = file_by_copy(filled, request), file_rows(rows_in, request)
    file = tmp_path_factory.getbasetemp() / "read.csv"
    assert_read(by_python(content, request.options), expected, request, nulls=False)
    assert_read(by_pandas(content, request.options), expected, request, nulls=False)
    assert_read(by_pyarrow(content, request.options), expected, request, nulls=True)
    assert_read(by_duckdb(content, request.options, file), expected, request, nulls=True)


# This view contains the same values as the file. Answers are text, and JSON nulls are SQL NULLs.
AS_IN_THE_FILE = """
    CREATE TEMPORARY VIEW as_in_the_file AS SELECT id, {plain},
        answers ->> 'one' AS one,
        CASE WHEN jsonb_typeof(answers -> 'many') = 'array'
            THEN (SELECT string_agg(e, '; ') FROM jsonb_array_elements_text(answers -> 'many') AS e)
            ELSE answers ->> 'many' END AS many,
        answers ->> 'two words' AS two_words
    FROM of_postgresql
"""
ALL_ROWS = "SELECT string_agg(t::text, chr(10) ORDER BY t.id) FROM {} AS t"


@pytest.fixture(scope="module")
def empty_copy(own_rows: Engine, server: psycopg.Connection) -> psycopg.Connection:
    json_ = {"extra": "nullif(extra::jsonb, 'null')", "document": "nullif(document, 'null')"}
    names = [column.name for column in of_postgresql.c if column.name not in ("id", "answers")]
    plain = ", ".join(f"{json_[name]} AS {name}" if name in json_ else name for name in names)
    server.execute(AS_IN_THE_FILE.format(plain=plain))
    server.execute("CREATE TEMPORARY TABLE read_back AS SELECT * FROM as_in_the_file WITH NO DATA")
    return server


@examples
@given(rows_in=rows_of(of_postgresql), options=readable_options)
def test_copy_from_restores_the_table(
    own_rows: Engine, empty_copy: psycopg.Connection, rows_in: Table, options: dict[str, Any]
) -> None:
    load(own_rows, of_postgresql, rows_in)
    request = kinds_request(
        of_postgresql, csv=options | {"decimalMark": "."}, timeZone="Europe/Madrid", sort="id"
    )
    content = file_by_copy(own_rows, request)
    empty_copy.execute("TRUNCATE read_back")
    reading = f"FORMAT csv, HEADER true, DELIMITER '{request.options.delimiter}'"
    with empty_copy.cursor() as cursor, cursor.copy(f"COPY read_back FROM STDIN ({reading})") as copy:
        copy.write(content)
    (stored,) = empty_copy.execute(ALL_ROWS.format("as_in_the_file")).fetchone() or ()
    assert empty_copy.execute(ALL_ROWS.format("read_back")).fetchone() == (stored,)


@pytest.mark.parametrize(("compression", "extension"), [("gzip", "csv.gz"), ("zip", "zip")])
def test_compressed_files_open_without_unpacking(
    filled: Engine, tmp_path: Path, compression: str, extension: str
) -> None:
    load(filled, common, [{"words": f"row, {number}", "answers": {}} for number in range(5000)])
    request = kinds_request(common, csv={"compression": compression}, columns=["id", "words"], sort="id")
    file = tmp_path / f"file.{extension}"
    file.write_bytes(file_by_copy(filled, request))
    expected = [(number + 1, f"row, {number}") for number in range(5000)]
    assert list(pd.read_csv(file).itertuples(index=False, name=None)) == expected
    if compression == "gzip":
        with duckdb.connect() as duck:
            assert duck.execute("SELECT * FROM read_csv(?)", [str(file)]).fetchall() == expected
        assert pyarrow_csv.read_csv(file).num_rows == 5000
