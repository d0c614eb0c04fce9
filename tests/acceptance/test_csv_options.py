"""Exports in other dialects, packed and split: what a caller downloads and opens."""

import csv
import gzip
import hashlib
import io
import zipfile
from typing import Any

import httpx
import pytest

from flows.formats.csv_options import parse_dialect
from tests.support import csv_reader
from tests.support.export_client import EMPTY_SURVEY, SURVEY, Session, export_all

WEEK = {"surveyId": SURVEY, "from": "2024-8-1", "to": "2024-8-7", "timeZone": "Europe/Berlin"}
STEM = f"survey-responses_{SURVEY}_2024-08-01_2024-08-07"
SPLIT_ROWS = 100
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": WEEK,
    "gzip": WEEK | {"csv": {"compression": "gzip"}, "name": "Größe"},
    "zip": WEEK | {"csv": {"compression": "zip"}},
    "split": WEEK | {"csv": {"preset": "excel", "compression": "zip", "splitRows": SPLIT_ROWS}},
    "excel": WEEK | {"csv": "excel"},
    "semicolons": WEEK | {"csv": {"preset": "excel", "delimiter": ";", "decimalMark": ","}},
    "nothing, zipped": {
        "surveyId": EMPTY_SURVEY,
        "from": "2025-01-01",
        "to": "2025-12-31",
        "csv": {"compression": "zip"},
    },
}
KINDS = {
    "csv": "text/csv; charset=utf-8",
    "csv.gz": "application/gzip",
    "zip": "application/zip",
}


@pytest.fixture(scope="module")
def exports(api: httpx.Client) -> dict[str, Session]:
    return export_all(api, REQUESTS)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def excels(content: bytes, delimiter: str = ",") -> list[list[str]]:
    """A file of the `excel` preset as Python's reader has it; NULL and an empty string look alike."""
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, strict=True, delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "extension"),
    [("plain", "csv"), ("gzip", "csv.gz"), ("zip", "zip"), ("split", "zip"), ("excel", "csv")],
)
def test_the_link_says_what_the_file_is_and_how_it_is_called(
    exports: dict[str, Session], name: str, extension: str
) -> None:
    answer = httpx.get(exports[name].data["url"], trust_env=False).raise_for_status()
    assert answer.headers["content-type"] == KINDS[extension]
    assert "content-encoding" not in answer.headers
    named = f'attachment; filename="{STEM}.{extension}"'
    if "name" in REQUESTS[name]:
        named += f"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.{extension}"
    assert answer.headers["content-disposition"] == named


@pytest.mark.parametrize("name", REQUESTS)
def test_the_receipt_is_of_the_file_as_it_is_stored(
    api: httpx.Client, exports: dict[str, Session], name: str
) -> None:
    content = exports[name].file()
    file = api.get(f"/exports/{exports[name].id}").raise_for_status().json()["file"]
    rows = 0 if name == "nothing, zipped" else len(csv_reader.read(exports["plain"].file())[1])
    digest = hashlib.sha256(content).hexdigest()
    assert (file["rows"], file["bytes"], file["sha256"]) == (rows, len(content), digest)
    kind = parse_dialect(REQUESTS[name].get("csv")).stored_as(rows)
    assert file["name"].endswith(f".{kind}")


def test_gzip_and_zip_hold_the_plain_file(exports: dict[str, Session]) -> None:
    plain = exports["plain"].file()
    assert len(plain) > 50_000
    assert gzip.decompress(exports["gzip"].file()) == plain
    assert members(exports["zip"].file()) == {f"{STEM}.csv": plain}


def test_the_files_of_a_split_are_the_excel_file_cut_after_so_many_rows(exports: dict[str, Session]) -> None:
    header, *rows = excels(exports["excel"].file())
    files = members(exports["split"].file())
    assert list(files) == [f"{STEM}_{number}.csv" for number in range(1, len(files) + 1)]
    read = [excels(content) for content in files.values()]
    assert [names for names, *_ in read] == [header] * len(read)
    assert [len(found) - 1 for found in read[:-1]] == [SPLIT_ROWS] * (len(read) - 1)
    assert [row for _, *found in read for row in found] == rows
    assert len(files) == -(-len(rows) // SPLIT_ROWS) > 1


def test_an_excel_file_holds_the_rows_of_the_plain_one_with_local_times(exports: dict[str, Session]) -> None:
    names, plain = csv_reader.read(exports["plain"].file())
    header, *rows = excels(exports["excel"].file())
    moment = names.index("Submitted at")
    assert header[moment] == "Submitted at (Europe/Berlin)"
    expected = [[cell or "" for cell in row] for row in plain]
    for row in expected:
        row[moment] = row[moment][:19].replace("T", " ")
    assert [[cell.removeprefix("'") for cell in row] for row in rows] == expected


def test_semicolons_and_decimal_commas_change_nothing_else(exports: dict[str, Session]) -> None:
    assert excels(exports["semicolons"].file(), ";") == excels(exports["excel"].file())


def test_an_export_of_no_rows_is_a_zip_of_a_header(exports: dict[str, Session]) -> None:
    (content,) = members(exports["nothing, zipped"].file()).values()
    names, rows = csv_reader.read(content)
    assert names
    assert rows == []
