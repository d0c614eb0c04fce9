"""Test the choice columns and the codebook of reports that have questions."""

import io
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import FieldError, InvalidRequest
from flows.query.request import ExportRequest
from tests.support import csv_reader
from tests.support.column_strategies import PROOF
from tests.support.engines import file_from_snapshot, with_transform
from tests.support.golden import golden
from tests.support.golden_rows import ROWS, request_with
from tests.support.sample_report import things_request, things_snapshot

LABELS = {"one": "The first", "two": "=Second; or so", "3": "Third"}
choices = st.sampled_from([*LABELS, 3, "One", "other; one", "", None])
answers = choices | st.lists(choices, max_size=4)


def file(request: ExportRequest, rows: list[dict[str, Any]] = ROWS) -> bytes:
    with things_snapshot(rows) as snap:
        return file_from_snapshot(snap, request)


def cells(options: dict[str, str], answers: list[Any]) -> list[dict[str, str | None]]:
    """Export the answers to question q2, and return each row as a dict of cells by column key."""
    request = things_request(columns=["id", "answers.q2"], answers=options, csv={"header": "keys"}, sort="id")
    keys, rows = csv_reader.read(file(request, [{"answers": {"q2": answer}} for answer in answers]))
    return [dict(zip(keys[1:], row[1:], strict=True)) for row in rows]


def texts(answer: Any) -> list[str]:
    return [str(item) for item in (answer if isinstance(answer, list) else [answer]) if item is not None]


def joined(parts: list[str]) -> str | None:
    return "; ".join(parts) if parts else None


def selected(answer: Any) -> dict[str, str | None]:
    chosen = texts(answer)
    return {f"answers.q2/{code}": str(int(code in chosen)) if chosen else None for code in LABELS}


@settings(PROOF, max_examples=15)
@given(rows=st.lists(answers, min_size=1, max_size=20))
def test_columns_contain_every_answer(rows: list[Any]) -> None:
    for answer, row in zip(rows, cells({"multiple": "columns"}, rows), strict=True):
        other = joined([text for text in texts(answer) if text not in LABELS])
        assert row == {**selected(answer), "answers.q2/*": other}


@settings(PROOF, max_examples=15)
@given(rows=st.lists(answers, min_size=1, max_size=20))
def test_a_joined_answer_with_labels_precedes_the_columns(rows: list[Any]) -> None:
    for answer, row in zip(rows, cells({"multiple": "both", "values": "labels"}, rows), strict=True):
        labels = joined([LABELS.get(text, text) for text in texts(answer)])
        assert list(row) == ["answers.q2", *selected(answer)]
        assert row == {"answers.q2": labels, **selected(answer)}


@settings(PROOF, max_examples=10)
@given(rows=st.lists(answers, min_size=1, max_size=20))
def test_stored_codes_are_written_unchanged(rows: list[Any]) -> None:
    assert cells({"values": "codes"}, rows) == cells({}, rows)


def test_a_single_choice_has_its_label() -> None:
    request = things_request(columns=["answers.q1"], answers={"values": "labels"}, csv={"header": "none"})
    rows = [{"answers": {"q1": answer}} for answer in ("=x", "y", ["=x"])]
    assert file(request, rows).decode() == 'A formula\ny\n"[""=x""]"\n'


def test_a_request_can_name_the_column_of_a_choice() -> None:
    request = things_request(
        columns=["answers.q2/two", "id"], answers={"multiple": "columns"}, csv={"preset": "excel"}
    )
    assert file(request, [{"answers": {"q2": ["two"]}}]).decode("utf-8-sig") == (
        "Which ones?: =Second; or so,Id\r\n1,1\r\n"
    )


def test_a_transform_receives_integers() -> None:
    request = things_request(columns=["id", "answers"], answers={"multiple": "columns"})
    with things_snapshot([{"answers": {"q2": ["two"]}}, {}]) as snap:
        assert file_from_snapshot(snap, with_transform(request)) == file_from_snapshot(snap, request)


@pytest.mark.parametrize("preset", ["plain", "excel"])
def test_a_zip_contains_the_codebook(preset: str) -> None:
    request = request_with(codebook=True, answers={"multiple": "both"}, csv=preset)
    assert request.file_name(6).endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(file(request))) as archive:
        assert archive.namelist() == [f"{request.file_stem}.csv", "codebook.csv"]
        codebook = archive.read("codebook.csv")
    assert codebook == golden(f"codebook_{preset}.csv")


def test_the_codebook_follows_the_last_part() -> None:
    request = request_with(codebook=True, csv={"compression": "zip", "splitRows": 4})
    with zipfile.ZipFile(io.BytesIO(file(request))) as archive:
        stem = request.file_stem
        assert archive.namelist() == [f"{stem}_1.csv", f"{stem}_2.csv", "codebook.csv"]


def test_a_workbook_contains_the_codebook_as_its_second_sheet() -> None:
    request = request_with(format="xlsx", codebook=True, answers={"multiple": "both"})
    book = openpyxl.load_workbook(io.BytesIO(file(request)))
    assert book.sheetnames == ["Things", "Codebook", "About"]
    header, expected = csv_reader.read(golden("codebook_plain.csv"))
    assert [list(row) for row in book["Codebook"].iter_rows(values_only=True)] == [header, *expected]
    assert [cell.value for cell in book["Things"]["O"]][:3] == ["Which ones?: The first", 1, None]


@pytest.mark.parametrize(
    ("fields", "pointer", "reason"),
    [
        ({"answers": "columns"}, "/answers", "Must be an object of options."),
        ({"answers": {"multiple": "split"}}, "/answers/multiple", "Multiple must be one of"),
        ({"answers": {"labels": True}}, "/answers/labels", "Unknown option 'labels'"),
        ({"codebook": "yes"}, "/codebook", "Must be true or false."),
        ({"codebook": True, "format": "parquet"}, "/codebook", "Needs the format csv or xlsx."),
        ({"codebook": True, "format": "jsonl"}, "/codebook", "Needs the format csv or xlsx."),
        ({"codebook": True, "csv": {"compression": "gzip"}}, "/codebook", "Needs compression zip; gzip"),
    ],
)
def test_invalid_options_are_named(fields: dict[str, Any], pointer: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        things_request(**fields)
    (error,) = invalid.value.errors
    assert isinstance(error, FieldError)
    assert (error.pointer, error.detail[: len(reason)]) == (pointer, reason)
