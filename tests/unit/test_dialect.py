import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.dialect import Dialect, parse_dialect, record

CELLS = st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\r\n\\.;='))


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["a", "b"], "a,b\n"),
        ([None, ""], ',""\n'),
        (["", None], '"",\n'),
        ([None], "\n"),
        ([""], '""\n'),
        (["a,b"], '"a,b"\n'),
        (['say "hi"'], '"say ""hi"""\n'),
        (["two\nlines"], '"two\nlines"\n'),
        (["two\r\nlines"], '"two\r\nlines"\n'),
        (["\r"], '"\r"\n'),
        ([" blanks ", "\t"], " blanks ,\t\n"),
        (["=1+1", "@x", "-5"], "=1+1,@x,-5\n"),
        (["'", ";", "\\"], "',;,\\\n"),
        (["\\."], '"\\."\n'),
        (["\\.", "x"], "\\.,x\n"),
        (["😀", "שלום", "e\u0301"], "😀,שלום,e\u0301\n"),
    ],
)
def test_a_record_is_what_postgresql_writes(cells: list[str | None], line: str) -> None:
    assert record(cells) == line


@given(st.lists(CELLS, min_size=2, max_size=6))
@settings(max_examples=100)
def test_pythons_reader_reads_every_record_back(cells: list[str | None]) -> None:
    read = list(csv.reader(io.StringIO(record(cells), newline=""), strict=True))
    assert read == [[cell or "" for cell in cells]]


@given(st.lists(CELLS, min_size=1, max_size=4), st.lists(CELLS, min_size=1, max_size=4))
@settings(max_examples=100)
def test_two_different_records_are_never_the_same_bytes(
    one: list[str | None], other: list[str | None]
) -> None:
    assert (record(one) == record(other)) == (one == other)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Dialect("plain", "labels")),
        ("plain", Dialect("plain", "labels")),
        ({}, Dialect("plain", "labels")),
        ({"preset": "plain"}, Dialect("plain", "labels")),
        ({"header": "labels"}, Dialect("plain", "labels")),
        ({"header": "keys"}, Dialect("plain", "keys")),
        ({"header": "none", "preset": "plain"}, Dialect("plain", "none")),
    ],
)
def test_csv_names_a_preset_or_sets_single_options(value: object, expected: Dialect) -> None:
    assert parse_dialect(value) == expected


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("fancy", "preset"),
        ("", "preset"),
        ({"preset": None}, "preset"),
        ({"preset": ["plain"]}, "preset"),
        ({"preset": {}}, "preset"),
        ({"header": "titles"}, "header"),
        ({"header": None}, "header"),
        ({"header": []}, "header"),
        ({"Header": "keys"}, "'Header'"),
        ({"delimiter": ";"}, "'delimiter'"),
        (1, "preset"),
        (True, "preset"),
        (["plain"], "preset"),
    ],
)
def test_an_unknown_option_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_dialect(value)
