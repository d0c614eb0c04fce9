"""Test that the SQLite source's child process and the general source read the same rows from any file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from flows.query.report import camel_case
from flows.query.request import ExportRequest
from flows.sources import sqlalchemy_rows
from flows.sources.snapshot import open_engine
from flows.sources.sqlite import adbc_chunks
from tests.support.adbc_comparison import compare_sources
from tests.support.column_strategies import (
    PROOF,
    QUESTIONS,
    REPORTS,
    common,
    kinds_request,
    load,
    requests_of,
    rows_of,
    table_in,
)
from tests.support.engines import with_transform

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

ANSWERS = [f"answers.{key}" for key in QUESTIONS]
COLUMNS = [*(key for key in REPORTS[common].table_columns if key != "raw"), *ANSWERS]
ROW = dict.fromkeys(column.name for column in common.c if column.name != "id") | {
    "words": "a",
    "answers": {"one": "b"},
}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use chunks of two rows and batches of two chunks."""
    monkeypatch.setattr(sqlalchemy_rows, "CHUNK_ROWS", 2)
    monkeypatch.setattr(adbc_chunks, "BATCH_ROWS", 4)


def write(engine: Engine, count: int, *changes: str, values: Sequence[str] = ()) -> None:
    """Load regular rows, then change them with plain SQL to bypass SQLAlchemy's types."""
    load(engine, common, [ROW] * count)
    with engine.begin() as connection:
        for change in changes:
            connection.exec_driver_sql(f"UPDATE common SET {change}", tuple(values))  # noqa: S608 - our own SQL


def without_raw(request: ExportRequest) -> ExportRequest:
    """Remove the binary column from the report.

    A transform receives every column, but ADBC does not read binary columns.
    """
    columns = [column for column in request.report.select.exported_columns if column.key != "raw"]
    report = replace(request.report, select=request.report.select.with_only_columns(*columns))
    return replace(request, report=report)


@settings(PROOF, max_examples=40)
@given(rows=rows_of(common), request=requests_of(common), has_transform=st.booleans())
def test_the_child_process_reads_all_regular_rows(
    sqlite: Engine, rows: list[dict[str, Any]], request: ExportRequest, has_transform: bool
) -> None:
    load(sqlite, common, rows)
    read = tuple(key for key in request.columns or COLUMNS if key != "raw") or ("id",)
    request = without_raw(replace(request, columns=read))
    assert compare_sources(
        sqlite, with_transform(request) if has_transform else request
    ).rows_by_process == len(rows)


DIGITS = "1" * 5000
VALUES = [
    *(("words", value) for value in ["5", "1.5", "x'61'", "x'ff'", "x''", "cast(x'ff' AS text)"]),
    *(
        ("words", value)
        for value in ["cast(x'61ff' AS text)", "cast(x'eda080' AS text)", "'a' || char(0) || 'b'"]
    ),
    *(("code", value) for value in ["''", "'\ufeff'", "char(0)", "cast(x'c080' AS text)"]),
    *(("whole", value) for value in ["'x'", "''", "1.5", "9e999", "x'01'", "9223372036854775807"]),
    *(("rate", value) for value in ["'x'", "'1.5x'", "x'01'", "9e999", "-9e999", "-0.0", "9007199254740993"]),
    *(("price", value) for value in ["'x'", "'nan'", "x'01'", "9e999", "-9e999", "-0.0", "7", "-7", "1.005"]),
    *(("price", value) for value in ["9007199254740992", "9007199254740993", "-9007199254740993", "1e300"]),
    *(("yes", value) for value in ["'x'", "2", "-1", "0.5", "x''"]),
    *(("uid", value) for value in ["'x'", "5", "''"]),
    *(("mood", value) for value in ["'other'", "5", "''"]),
]
TIMESTAMPS = [
    *["''", "'x'", "5", "1.5", "x'61'", "'2024-01-01'", "'2024-01-01T00:00:00'", "'2024-01-01 00:00'"],
    *["'2024-01-01 00:00:00.5'", "'2024-01-01 00:00:00+02:00'", "'0000-01-01 00:00:00.000000'"],
    *[
        "'12345-01-01 00:00:00.000000'",
        "'2024-02-30 00:00:00.000000'",
        "'10:00'",
        "'10:00:00.5'",
        "'24:00:00'",
    ],
    *["'2024-01-01 00:00:00.000000' || char(0)", "' 2024-01-01 00:00:00.000000'", "'2024-01-01 00:00:60'"],
]
VALUES += [(name, value) for name in ("at", "span") for value in TIMESTAMPS]
VALUES += [(name, value) for name in ("day", "hour", "local_at") for value in TIMESTAMPS[3:17:3]]
DOCUMENTS = [
    *['{"one": 1, "one": 2}', '{"one":1,"\\u006fne":2}', '{"one":{"a":1,"a":2}}', '{"many":[{"a":1,"a":2}]}'],
    *[
        '{"x":1,"x":2}',
        '{ "one" : 1 ,\n\t"one"\r:2 }',
        ' {"one" : [ 1 , "a: b" ] }\n',
        '{"one":"\\":","x":1}',
    ],
    *['{"one":1,}', "{'one':1}", "{one:1}", '{"one":NaN}', '{"one":-Infinity}', '{"one":0x1F}', '{"one":+1}'],
    *[
        '{"one":.5}',
        '{"one":5.}',
        '{"one":01}',
        '{"one":1}//x',
        '{"one":"\\x41"}',
        '{"one":"a\tb"}',
        "{/**/}",
    ],
    *[
        "",
        " ",
        "{",
        "[1]",
        "[]",
        '"one"',
        "5",
        "1.5",
        "null",
        "true",
        "{}",
        '{"one":1}{}',
        '{"one":1} x',
        "1,2",
    ],
    *[
        '{"one":"\\ud800"}',
        '{"one":["\\udc00"]}',
        '{"\\ud800":1}',
        '{"x":"\\ud800"}',
        '{"one":"\\ud83c\\udf33"}',
    ],
    *['{"one":"\\u0000"}', '\ufeff{"one":1}', '{"one":1}\0', '{"one":1}\0"', '{"one":"a\0b"}', '\0{"one":1}'],
    *[f'{{"one":{DIGITS}}}', f'{{"x":{DIGITS}}}', f'{{"one":-{DIGITS}}}', f'{{"one":0.{DIGITS}}}'],
    *['{"one":1e99999999999999999999}', '{"x":1e99999999999999999999}', '{"many":[",",1,"b"]}', '{"one":-0}'],
    *[f'{{"{key}":{"[" * 2000}{"]" * 2000}}}' for key in ("one", "x")],
]


def short_id(value: object) -> str:
    return str(value)[:40]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(("name", "value"), VALUES, ids=short_id)
def test_values_of_another_type_give_the_same_result(sqlite: Engine, name: str, value: str) -> None:
    write(sqlite, 7, f"{name} = {value} WHERE id = 6")
    assert (
        compare_sources(sqlite, kinds_request(common, columns=["id", camel_case(name)])).rows_by_process >= 4
    )


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("document", DOCUMENTS, ids=short_id)
@pytest.mark.parametrize("column", ["extra", "answers"])
def test_irregular_documents_give_the_same_result(sqlite: Engine, column: str, document: str) -> None:
    write(sqlite, 7, f"{column} = ? WHERE id = 6", values=[document])
    assert compare_sources(sqlite, kinds_request(common, columns=["id", column])).rows_by_process >= 4


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("value", ["5", "1.5", "cast('{}' AS blob)", "cast(x'7b22ff223a317d' AS text)"])
def test_answers_of_another_type_give_the_same_result(sqlite: Engine, value: str) -> None:
    write(sqlite, 7, f"answers = {value} WHERE id = 6")
    assert compare_sources(sqlite, kinds_request(common, columns=["id", "answers"])).rows_by_process == 4


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(("place", "remaining"), [(1, 7), (4, 7), (5, 3), (7, 3)])
def test_the_general_source_takes_over_at_the_irregular_batch(
    sqlite: Engine, place: int, remaining: int
) -> None:
    write(sqlite, 7, f"words = x'61' WHERE id = {place}")
    assert compare_sources(sqlite, kinds_request(common, columns=COLUMNS)).rows_by_process == 7 - remaining


# The values are invalid text, timestamps that Arrow or Python rejects, and unpaired surrogates. Surrogates
# can be read, but they cause an error when they are written to the file.
BAD_VALUES = [
    "words = x'ff'",
    "at = '2024-01-01 10:00:60'",
    "local_at = '0000-01-01 00:00:00'",
    "local_at = 'x'",
]
BAD_VALUES += ["at = 'x'", """extra = '"\\ud800"'""", """answers = '{"one":"\\ud800"}'"""]


@pytest.mark.usefixtures("small_chunks")
@settings(PROOF, max_examples=40)
@given(
    bad_rows=st.lists(st.tuples(st.integers(1, 12), st.sampled_from(BAD_VALUES)), min_size=2, max_size=4),
    split_rows=st.sampled_from([None, 1, 3, 5]),
)
def test_both_sources_report_the_same_of_several_bad_rows(
    sqlite: Engine, bad_rows: list[tuple[int, str]], split_rows: int | None
) -> None:
    write(sqlite, 12, *(f"{change} WHERE id = {place}" for place, change in bad_rows))
    csv = {"compression": "zip", "splitRows": split_rows}
    compare_sources(
        sqlite, kinds_request(common, columns=["words", "localAt", "at", "extra", "answers"], csv=csv)
    )


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("split_rows", [1, 2, 3, 5, 7, 13])
def test_split_files_are_the_same_from_both_sources(sqlite: Engine, split_rows: int) -> None:
    request = kinds_request(
        common, columns=["id", "words"], csv={"compression": "zip", "splitRows": split_rows}
    )
    write(sqlite, 13)
    assert compare_sources(sqlite, request).rows_by_process == 13
    write(sqlite, 13, "words = x'61' WHERE id = 6")
    assert compare_sources(sqlite, request).rows_by_process == 4


def test_a_question_may_be_requested_twice(sqlite: Engine) -> None:
    request = kinds_request(common, columns=["answers", "answers.one"])
    write(sqlite, 3)
    assert compare_sources(sqlite, request).rows_by_process == 3
    write(sqlite, 3, """answers = '{"one":1,"one":2}' WHERE id = 2""")
    assert compare_sources(sqlite, request).rows_by_process == 0
