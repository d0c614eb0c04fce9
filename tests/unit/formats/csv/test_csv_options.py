import csv
import io
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.formats.csv.format import CsvFormat
from flows.formats.csv.options import OPTIONS, PRESETS, CsvOptions, InvalidOptions, parse_options
from flows.formats.csv.text import record, with_decimal_mark, without_formulas

PLAIN, RFC_4180, EXCEL = PRESETS["plain"], PRESETS["rfc4180"], PRESETS["excel"]
CELLS = st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\r\n\\.;=\t|'))
ALL_OPTIONS = st.builds(
    CsvOptions, delimiter=st.sampled_from([",", ";", "\t", "|"]), line_ending=st.sampled_from(["lf", "crlf"])
)


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
        ([" spaces ", "\t"], " spaces ,\t\n"),
        (["=1+1", "@x", "-5"], "=1+1,@x,-5\n"),
        (["'", ";", "\\"], "',;,\\\n"),
        (["\\."], '"\\."\n'),
        (["\\.", "x"], "\\.,x\n"),
        (["😀", "שלום", "e\u0301"], "😀,שלום,e\u0301\n"),
    ],
)
def test_records_match_postgresql(cells: list[str | None], line: str) -> None:
    assert record(cells, PLAIN) == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (PLAIN, 'a;b,"c,d",e\tf,g|h,"i\nj",,""\n'),
        (RFC_4180, 'a;b,"c,d",e\tf,g|h,"i\nj",,""\r\n'),
        (replace(PLAIN, delimiter=";"), '"a;b";c,d;e\tf;g|h;"i\nj";;""\n'),
        (replace(PLAIN, delimiter="\t"), 'a;b\tc,d\t"e\tf"\tg|h\t"i\nj"\t\t""\n'),
        (replace(PLAIN, delimiter="|"), 'a;b|c,d|e\tf|"g|h"|"i\nj"||""\n'),
    ],
)
def test_only_necessary_quotes_are_written(options: CsvOptions, line: str) -> None:
    assert record(["a;b", "c,d", "e\tf", "g|h", "i\nj", None, ""], options) == line


@given(st.lists(CELLS, min_size=2, max_size=6), ALL_OPTIONS)
@settings(max_examples=100)
def test_the_csv_module_reads_every_record_back(cells: list[str | None], options: CsvOptions) -> None:
    lines = io.StringIO(record(cells, options), newline="")
    read = list(csv.reader(lines, strict=True, delimiter=options.delimiter))
    assert read == [[cell or "" for cell in cells]]


@given(st.lists(CELLS, min_size=1, max_size=4), st.lists(CELLS, min_size=1, max_size=4), ALL_OPTIONS)
@settings(max_examples=100)
def test_different_records_have_different_bytes(
    first: list[str | None], second: list[str | None], options: CsvOptions
) -> None:
    assert (record(first, options) == record(second, options)) == (first == second)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-", "'-"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("\nx", "'\nx"),
        ("\ufeff=1", "'\ufeff=1"),
        ("x;=1+1", "x;'=1+1"),
        ("x,@a\t+b|-c\n=d", "x,'@a\t'+b|'-c\n'=d"),
        (";;=1;-1.5;+2,-3", ";;'=1;-1.5;+2,-3"),
        ('x;"=1+1;y', """x;"'=1+1;y"""),
        ('x\n""@a;"-5;"-5-5', """x\n""'@a;"-5;"'-5-5"""),
        ("x; =1, a=b|c", "x; =1, a=b|c"),
        ("-5-5", "'-5-5"),
        ("+34 600 000 000", "'+34 600 000 000"),
        ("-5\n", "'-5\n"),
        ("-٣", "'-٣"),
        ("--1", "'--1"),
        ("-.5", "'-.5"),
        ("-5", "-5"),
        ("+34600000000", "+34600000000"),
        ("-1.5e-07", "-1.5e-07"),
        ("-1,5", "-1,5"),
        ("", ""),
        ("a=1", "a=1"),
        (" =1", " =1"),
        ("'=1", "'=1"),
    ],
)
def test_the_guard_is_added_to_formulas_but_not_to_numbers(text: str, written: str) -> None:
    assert without_formulas(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1234.50", "1234,50"),
        ("1.5e+20", "1,5e+20"),
        ("-7", "-7"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_the_decimal_comma_replaces_the_point(text: str, written: str) -> None:
    assert with_decimal_mark(text, replace(PLAIN, decimal_mark=",")) == written
    assert with_decimal_mark(text, PLAIN) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, PLAIN),
        ("plain", PLAIN),
        ("rfc4180", replace(PLAIN, preset="rfc4180", line_ending="crlf")),
        ({}, PLAIN),
        ({"preset": "excel"}, EXCEL),
        ({"header": "keys"}, replace(PLAIN, header="keys")),
        ({"header": "none", "preset": "plain"}, replace(PLAIN, header="none")),
        ({"delimiter": "\t"}, replace(PLAIN, delimiter="\t")),
        ({"delimiter": "|", "lineEnding": "crlf"}, replace(PLAIN, delimiter="|", line_ending="crlf")),
        ({"byteOrderMark": True}, replace(PLAIN, byte_order_mark=True)),
        ({"dateTimes": "local"}, replace(PLAIN, date_times="local")),
        ({"formulaGuard": True}, replace(PLAIN, formula_guard=True)),
        ({"compression": "gzip"}, replace(PLAIN, compression="gzip")),
        ({"compression": "zip", "splitRows": 1}, replace(PLAIN, compression="zip", split_rows=1)),
        (
            {"preset": "excel", "delimiter": ";", "decimalMark": ","},
            replace(EXCEL, delimiter=";", decimal_mark=","),
        ),
        ({"preset": "excel", "formulaGuard": False}, replace(EXCEL, formula_guard=False)),
        ({"preset": "excel", "compression": "zip"}, replace(EXCEL, compression="zip")),
        ({"preset": "excel", "splitRows": None}, replace(EXCEL, split_rows=None)),
        (
            {"preset": "excel", "compression": "gzip", "splitRows": None},
            replace(EXCEL, compression="gzip", split_rows=None),
        ),
    ],
)
def test_csv_is_a_preset_or_an_object_of_options(value: object, expected: CsvOptions) -> None:
    assert parse_options(value) == expected


@pytest.mark.parametrize(
    ("value", "option", "reason"),
    [
        ("fancy", "preset", "plain, rfc4180, excel"),
        ("", "preset", ""),
        ({"preset": None}, "preset", ""),
        ({"preset": ["plain"]}, "preset", ""),
        ({"preset": {}}, "preset", ""),
        ({"header": "titles"}, "header", "labels keys none"),
        ({"header": None}, "header", ""),
        ({"header": []}, "header", ""),
        ({"Header": "keys"}, "Header", "unknown option 'Header'"),
        ({"line_ending": "lf"}, "line_ending", "choose from preset, delimiter"),
        ({"delimiter": '"'}, "delimiter", "the quote character"),
        ({"delimiter": ""}, "delimiter", ", ; TAB |"),
        ({"delimiter": ",,"}, "delimiter", ""),
        ({"delimiter": "\n"}, "delimiter", ""),
        ({"delimiter": "tab"}, "delimiter", ""),
        ({"delimiter": 44}, "delimiter", ""),
        ({"lineEnding": "\r\n"}, "lineEnding", "lf crlf"),
        ({"lineEnding": "CRLF"}, "lineEnding", ""),
        ({"byteOrderMark": 1}, "byteOrderMark", "true false"),
        ({"byteOrderMark": "yes"}, "byteOrderMark", ""),
        ({"formulaGuard": None}, "formulaGuard", ""),
        ({"formulaGuard": 0}, "formulaGuard", ""),
        ({"decimalMark": ";"}, "decimalMark", ""),
        ({"decimalMark": ","}, "decimalMark", "other than the comma"),
        ({"decimalMark": ",", "delimiter": ","}, "decimalMark", "other than the comma"),
        ({"preset": "excel", "decimalMark": ","}, "decimalMark", "other than the comma"),
        ({"dateTimes": "utc"}, "dateTimes", "iso local"),
        ({"compression": "bzip2"}, "compression", "none gzip zip"),
        ({"compression": None}, "compression", ""),
        ({"compression": "zip", "splitRows": 0}, "splitRows", "1 to 1048575"),
        ({"compression": "zip", "splitRows": 1_048_576}, "splitRows", ""),
        ({"compression": "zip", "splitRows": True}, "splitRows", ""),
        ({"compression": "zip", "splitRows": 2.0}, "splitRows", ""),
        ({"compression": "zip", "splitRows": "2"}, "splitRows", ""),
        ({"splitRows": 10}, "splitRows", "requires zip compression"),
        ({"preset": "excel", "splitRows": 10}, "splitRows", "requires zip compression"),
        ({"splitRows": 10, "compression": "gzip"}, "splitRows", "single file"),
        ({"preset": "excel", "compression": "gzip"}, "compression", "splitRows to null"),
        (1, None, "name of a preset"),
        (True, None, ""),
        (["plain"], None, ""),
    ],
)
def test_invalid_options_are_rejected_with_name_and_reason(
    value: Any, option: str | None, reason: str
) -> None:
    with pytest.raises(InvalidOptions) as raised:
        parse_options(value)
    assert list(raised.value.reasons) == [option]
    assert reason in raised.value.reasons[option]
    assert option is None or option in raised.value.reasons[option]


def test_every_invalid_option_is_reported() -> None:
    with pytest.raises(InvalidOptions) as raised:
        parse_options({"delimiter": "x", "header": 1, "colour": "red", "splitRows": 0, "compression": "zip"})
    assert set(raised.value.reasons) == {"delimiter", "header", "colour", "splitRows"}


@given(
    st.dictionaries(
        st.sampled_from(OPTIONS),
        st.sampled_from(
            [*PRESETS, ",", ";", "lf", "crlf", True, False, "keys", "local", "gzip", "zip", 5, None]
        ),
        max_size=4,
    )
)
@settings(max_examples=100)
def test_accepted_options_never_conflict(options: dict[str, Any]) -> None:
    with suppress(InvalidOptions):
        options = parse_options(options)
        assert options.decimal_mark != options.delimiter
        assert not (options.compression == "gzip" and options.split_rows is not None)


@pytest.mark.parametrize(
    ("options", "rows", "extension"),
    [
        (PLAIN, 10**9, "csv"),
        (EXCEL, 1_048_575, "csv"),
        (EXCEL, 1_048_576, "zip"),
        (replace(PLAIN, compression="gzip"), 0, "csv.gz"),
        (replace(PLAIN, compression="zip"), 0, "zip"),
        (replace(PLAIN, compression="zip", split_rows=5), 5, "zip"),
    ],
)
def test_the_extension_depends_on_options_and_rows(options: CsvOptions, rows: int, extension: str) -> None:
    assert CsvFormat().extension(options, rows) == extension
