"""Test that workbooks contain the values of the table as typed cells."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from sqlalchemy import Boolean, Column, Date, DateTime, Double, Engine, Integer, Numeric, Text
from sqlalchemy.pool import NullPool

from flows.errors import ColumnsLimit, UnreadableRow
from flows.formats.xlsx import parts
from flows.formats.xlsx import writer as xlsx_writer
from flows.rows.columns import OutputColumn, type_name
from flows.rows.pipeline import Chunk
from flows.sources.snapshot import open_engine
from tests.support.column_strategies import PROOF, common, kinds_request, load, rows_of, table_in
from tests.support.engines import file_by_sqlalchemy, file_from_snapshot
from tests.support.formats_read_back import column_types, compare_xlsx, csv_cells
from tests.support.golden import golden
from tests.support.golden_rows import ROWS, request_with
from tests.support.sample_report import things_snapshot
from tests.support.writers import file_of_chunk, file_of_chunks

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")


def column(kind: Any, key: str = "c") -> OutputColumn:
    return OutputColumn(key, key.upper(), type_name(kind), False, Column(key, kind))


def cells(kind: Any, values: list[Any], zone: str = "UTC") -> list[Any]:
    """Write the values and return the cells as openpyxl reads them."""
    keys = [f"row {number}" for number in range(len(values))]
    content = file_of_chunk("xlsx", [column(kind)], Chunk([values], keys), zone=zone)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    return [row[0].value for row in sheet.iter_rows(min_row=2, max_row=1 + len(values))]


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day)


LONG_DECIMALS = [0.000123456789012345, "1234567.890123456"]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file: Path = tmp_path_factory.mktemp("sqlite") / "kinds.db"
    yield from table_in(open_engine(f"sqlite:///{file}", connect_seconds=5, poolclass=NullPool), common)


@settings(PROOF, max_examples=40)
@given(rows=rows_of(common))
def test_every_value_is_read_back_from_sqlite(sqlite: Engine, rows: list[dict[str, Any]]) -> None:
    load(sqlite, common, rows)
    request = kinds_request(
        common, format="xlsx", xlsx={"header": "keys"}, timeZone="Asia/Kathmandu", sort="id"
    )
    write_file = partial(file_by_sqlalchemy, sqlite)
    compare_xlsx(write_file(request), *csv_cells(write_file, request), column_types(common))


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (
            Integer(),
            [999_999_999_999_999, 10**15, -(10**18), None],
            [999_999_999_999_999, f"1{15 * '0'}", f"-1{18 * '0'}", None],
        ),
        (Integer(), [2**70, 5], [str(2**70), 5]),
        (
            Numeric(),
            [Decimal("0.000123456789012345"), Decimal("1234567.8901234567")],
            [0.000123456789012345, "1234567.8901234567"],
        ),
        (Numeric(), [Decimal("NaN"), Decimal("-0.50"), Decimal("1E+30")], ["NaN", -0.5, f"1{30 * '0'}"]),
        (Numeric(), ["007", Decimal(0)], ["007", 0]),
        (Double(), [0.1 + 0.2, 1e300, float("inf")], [0.1 + 0.2, 1e300, "Infinity"]),
        (Boolean(), [True, False, None], [True, False, None]),
        (Text(), ["=1+1", "007", " a\tb ", "", "<&>", "\r\n"], ["=1+1", "007", " a\tb ", "", "<&>", "\r\n"]),
        (
            Date(),
            [date(1900, 3, 1), date(1900, 2, 28), date(9999, 12, 31)],
            [datetime.fromisoformat("1900-03-01"), "1900-02-28", datetime.fromisoformat("9999-12-31")],
        ),
        (Date(), ["infinity", date(2024, 2, 29)], ["infinity", midnight("2024-02-29")]),
    ],
    ids=str,
)
def test_a_cell_has_the_type_that_keeps_its_value(kind: Any, values: list[Any], expected: list[Any]) -> None:
    assert cells(kind, values) == expected


def test_timestamps_are_local_dates_around_a_clock_change() -> None:
    timestamps = [datetime(2024, 10, 27, hour, 59, 59, 999000, tzinfo=UTC) for hour in (0, 1)]
    early = datetime(1900, 1, 1, tzinfo=UTC)
    local = datetime.fromisoformat("2024-10-27T02:59:59.999")
    expected = [local, local, "1899-12-31T23:45:16.000000-00:14:44"]
    assert cells(DateTime(timezone=True), [*timestamps, early], "Europe/Madrid")[:2] == expected[:2]
    assert cells(DateTime(timezone=True), [early], "Europe/Madrid") == expected[2:]


def test_control_characters_are_coded_as_excel_codes_them() -> None:
    content = file_of_chunk("xlsx", [column(Text())], Chunk([["\x01", "_x0041_"]], [1, 2]))
    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()
    assert ">_x0001_<" in sheet
    assert ">_x005F_x0041_<" in sheet


def test_a_text_that_is_too_long_is_reported_with_its_row() -> None:
    assert cells(Text(), ["a" * 32_767, "😀" * 16_383]) == ["a" * 32_767, "😀" * 16_383]
    with pytest.raises(UnreadableRow, match="32,768 characters; a cell"):
        cells(Text(), ["", "😀" * 16_384])


def test_too_many_columns_are_rejected() -> None:
    with pytest.raises(ColumnsLimit, match="16,385 columns"):
        file_of_chunk("xlsx", [column(Integer())] * 16_385, None)


def test_a_label_that_is_too_long_is_rejected() -> None:
    with pytest.raises(ColumnsLimit, match=r"column c{32768} has 32,768 characters"):
        file_of_chunk("xlsx", [column(Integer(), "c" * 32_768)], None)


def test_rows_continue_on_the_next_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (xlsx_writer, parts):
        monkeypatch.setattr(module, "EXCEL_ROWS", 2)
    chunks = [Chunk([[1, 2, 3]], [1, 2, 3]), Chunk([[4, 5]], [4, 5])]
    book = openpyxl.load_workbook(io.BytesIO(file_of_chunks("xlsx", [column(Integer())], chunks)))
    assert book.sheetnames == ["Things", "Things 2", "Things 3", "About"]
    values = [[cell.value for cell in sheet["A"]] for sheet in book.worksheets[:3]]
    assert values == [["C", 1, 2], ["C", 3, 4], ["C", 5]]
    assert [sheet.auto_filter.ref for sheet in book.worksheets[:3]] == ["A1:A3", "A1:A3", "A1:A2"]
    assert {sheet.freeze_panes for sheet in book.worksheets[:3]} == {"A2"}


def test_an_export_without_rows_has_a_header_and_a_sheet_about_the_export() -> None:
    request = {"report": "things", "filters": {"note": "x" * 40_000}}
    book = openpyxl.load_workbook(io.BytesIO(file_of_chunk("xlsx", [column(Text())], None, request=request)))
    rows, about = book.worksheets
    assert [cell.value for cell in rows["A"]] == ["C"]
    assert rows["A1"].font.bold
    assert [cell.value for cell in about["A"]][:5] == ["Rows", "Title", "Snapshot", "Time zone", "report"]
    assert sum(len(cell.value) for cell in about["B"][5:]) > 40_000


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A/B: [c]?", "A B   c"),
        ("about", "about rows"),
        ("'" * 3, "Rows"),
        ("😀" * 20, "😀" * 15),
        ("a&b", "a&b"),
    ],
)
def test_the_title_becomes_a_valid_sheet_name(title: str, name: str) -> None:
    content = file_of_chunk("xlsx", [column(Text())], None, title=title)
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames[0] == name


@pytest.mark.parametrize(("number", "name"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (16_384, "XFD")])
def test_columns_are_named_by_letters(number: int, name: str) -> None:
    assert parts.column_name(number) == name


def test_the_workbook_matches_the_golden_file() -> None:
    with things_snapshot(ROWS) as snap:
        content = file_from_snapshot(snap, request_with(format="xlsx"))
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        xml = "\n".join(f"{name}\n{book.read(name).decode()}" for name in book.namelist())
    assert f"{xml}\n" == golden("things.xlsx.txt").decode()


def test_pandas_reads_every_cell() -> None:
    with things_snapshot(ROWS) as snap:
        content = file_from_snapshot(snap, request_with(format="xlsx", xlsx={"header": "keys"}))
    frame = pd.read_excel(io.BytesIO(content), sheet_name="Things", dtype=object, na_filter=False)
    first = frame.iloc[0].to_dict()
    assert [first[key] for key in ("id", "whole", "large", "price", "rate", "yes", "day", "hour")] == [
        *(1, 3, str(2**63 - 1), 9.9, 1e15, True, datetime.fromisoformat("2024-07-09"), "09:05:00")
    ]
    assert [str(timestamp) for timestamp in frame["madeAt"][2:5]] == [
        *("2024-10-27 02:30:00", "2024-10-27 02:30:00", "2024-10-28 01:00:00")
    ]
    assert frame["words"].tolist()[2:] == ["", '=HYPERLINK("x")', "-5+3", "\ttab"]
    assert frame["answers.q1"].tolist()[3:] == ["-5", "+34 600", "-0.5"]
