"""Test exports that use non-default CSV dialects, compression or multiple parts."""

import csv
import gzip
import hashlib
import io
import re
import zipfile
from typing import Any

import httpx
import pytest

from flows.formats.csv.format import CsvFormat
from flows.formats.csv.options import parse_options
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
    "no rows, zipped": {
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


# Matches the apostrophe that keeps a spreadsheet from evaluating a cell, or part of it, as a formula.
GUARD = re.compile(r"(^|[;,\t|\r\n])'(?=[=+@\t\r\n-])")


@pytest.fixture(scope="module")
def exports(api: httpx.Client) -> dict[str, Session]:
    return export_all(api, REQUESTS)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def read_excel(content: bytes, delimiter: str = ",") -> list[list[str]]:
    """Parse a file that uses the `excel` preset. NULL and empty strings both become ''."""
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, strict=True, delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "extension"),
    [("plain", "csv"), ("gzip", "csv.gz"), ("zip", "zip"), ("split", "zip"), ("excel", "csv")],
)
def test_the_link_serves_the_right_media_type_and_file_name(
    exports: dict[str, Session], name: str, extension: str
) -> None:
    answer = httpx.get(exports[name].data["url"], trust_env=False).raise_for_status()
    assert answer.headers["content-type"] == KINDS[extension]
    assert "content-encoding" not in answer.headers
    disposition = f'attachment; filename="{STEM}.{extension}"'
    if "name" in REQUESTS[name]:
        disposition += f"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.{extension}"
    assert answer.headers["content-disposition"] == disposition


@pytest.mark.parametrize("name", REQUESTS)
def test_the_receipt_describes_the_stored_file(
    api: httpx.Client, exports: dict[str, Session], name: str
) -> None:
    content = exports[name].file()
    file = api.get(f"/exports/{exports[name].id}").raise_for_status().json()["file"]
    rows = 0 if name == "no rows, zipped" else len(csv_reader.read(exports["plain"].file())[1])
    digest = hashlib.sha256(content).hexdigest()
    assert (file["rows"], file["bytes"], file["sha256"]) == (rows, len(content), digest)
    kind = CsvFormat().extension(parse_options(REQUESTS[name].get("csv")), rows)
    assert file["name"].endswith(f".{kind}")


def test_gzip_and_zip_contain_the_plain_file(exports: dict[str, Session]) -> None:
    plain = exports["plain"].file()
    assert len(plain) > 50_000
    assert gzip.decompress(exports["gzip"].file()) == plain
    assert members(exports["zip"].file()) == {f"{STEM}.csv": plain}


def test_a_split_is_the_excel_file_in_parts_of_equal_size(exports: dict[str, Session]) -> None:
    header, *rows = read_excel(exports["excel"].file())
    files = members(exports["split"].file())
    assert list(files) == [f"{STEM}_{number}.csv" for number in range(1, len(files) + 1)]
    parts = [read_excel(content) for content in files.values()]
    assert [names for names, *_ in parts] == [header] * len(parts)
    assert [len(part) - 1 for part in parts[:-1]] == [SPLIT_ROWS] * (len(parts) - 1)
    assert [row for _, *part in parts for row in part] == rows
    assert len(files) == -(-len(rows) // SPLIT_ROWS) > 1


def test_an_excel_file_has_the_rows_of_the_plain_one_in_local_time(exports: dict[str, Session]) -> None:
    names, plain = csv_reader.read(exports["plain"].file())
    header, *rows = read_excel(exports["excel"].file())
    timestamp = names.index("Submitted at")
    assert header[timestamp] == "Submitted at (Europe/Berlin)"
    expected = [[cell or "" for cell in row] for row in plain]
    for row in expected:
        row[timestamp] = row[timestamp][:19].replace("T", " ")
    assert [[GUARD.sub(r"\1", cell) for cell in row] for row in rows] == expected


def test_semicolons_and_decimal_commas_change_only_the_notation(exports: dict[str, Session]) -> None:
    assert read_excel(exports["semicolons"].file(), ";") == read_excel(exports["excel"].file())


def test_a_zipped_export_without_rows_contains_a_header(exports: dict[str, Session]) -> None:
    (content,) = members(exports["no rows, zipped"].file()).values()
    names, rows = csv_reader.read(content)
    assert names
    assert rows == []
