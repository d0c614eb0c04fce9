import string
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import FieldError, InvalidRequest
from flows.formats.csv.options import CsvOptions
from flows.query.date_range import DateRange
from flows.query.report import Report, SortKey
from flows.query.request import parse_request
from flows.query.request_fields import MAX_ANY_OF
from flows.reports import catalog
from tests.support.sample_report import REPORTS, THINGS, things_request

ARTICLE_BODY = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
BODY = {"report": "things", "shop": "here", "from": "2024-07-01", "to": "2024-07-31"}


def request_errors(body: Any, reports: dict[str, Report] = REPORTS) -> list[FieldError]:
    with pytest.raises(InvalidRequest) as raised:
        parse_request(body, reports)
    return raised.value.errors


def test_the_request_body_of_the_article_is_accepted() -> None:
    request = parse_request(ARTICLE_BODY, catalog(("flows.samples",)))
    assert request.report.name == "survey-responses"
    assert request.scope == {"surveyId": "668b6fa3b8d693cd865b44bb"}
    assert request.period == DateRange(date(2024, 7, 19), date(2024, 7, 27), ZoneInfo("UTC"))
    assert request.filters == {"isAttended": (True,), "utm": ("wa",)}
    assert request.columns is None
    assert request.sort == (SortKey("submittedAt", descending=False),)
    assert request.zone == ZoneInfo("UTC")
    assert request.options == CsvOptions()
    assert request.name is None
    assert request.body == ARTICLE_BODY
    assert request.file_name(0) == "survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"


def test_operators_are_parsed_to_the_type_of_the_column() -> None:
    operators = {
        "price": {"gte": 100, "lt": 9.5},
        "whole": {"not": [1, None], "null": False},
        "words": {"not": "x"},
    }
    parsed = things_request(filters=operators)
    assert {name: getattr(value, "by_operator", value) for name, value in parsed.filters.items()} == {
        "price": {"gte": Decimal(100), "lt": Decimal("9.5")},
        "whole": {"not": (1, None), "null": False},
        "words": {"not": ("x",)},
    }
    assert parsed.body == BODY | {"filters": operators}


def test_every_wrong_operator_is_named() -> None:
    body = BODY | {"filters": {"whole": {"gte": "a", "like": 1, "lt": 5}, "day": {"gt": 1}}}
    pointers = [error.pointer for error in request_errors(body)]
    assert pointers == ["/filters/whole/gte", "/filters/whole/like", "/filters/day/gt"]


def test_equal_conditions_have_the_same_fingerprint() -> None:
    one = things_request(filters={"whole": {"not": [1, 2], "lt": 5}})
    other = things_request(filters={"whole": {"lt": 5, "not": [2, 1, 2]}})
    assert one.fingerprint == other.fingerprint


def test_the_fingerprint_of_plain_filters_is_unchanged() -> None:
    request = things_request(filters={"whole": [1, None], "price": 9.5, "words": None})
    assert request.fingerprint == "1f6bc6abdcdef05d03c230be003b7980f5abfb7cb3d9a4db6b63ec552aa95288"


def test_every_unknown_column_is_named() -> None:
    (error,) = request_errors(BODY | {"columns": ["id", "colour", "size"]})
    assert error.detail.startswith("Unknown columns 'colour', 'size'; choose from ")


def test_all_options_are_parsed() -> None:
    request = things_request(
        timeZone="Europe/Berlin",
        filters={"whole": [1, None], "price": 9.5},
        columns=["price", "answers", "id"],
        sort="-price,id",
        csv={"header": "keys"},
        name="Größen, Juli",
    )
    assert request.period is not None
    assert request.period.start == datetime(2024, 6, 30, 22, tzinfo=UTC)
    assert request.period.end == datetime(2024, 7, 31, 22, tzinfo=UTC)
    assert request.filters == {"whole": (1, None), "price": (Decimal("9.5"),)}
    assert request.columns == ("price", "answers", "id")
    assert request.sort == (SortKey("price", descending=True), SortKey("id", descending=False))
    assert request.options == CsvOptions(header="keys")
    assert request.name == "Größen, Juli"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"report": "nothing"}, "/report", "unknown"),
        ({"report": ""}, "/report", "unknown"),
        ({"report": ["things"]}, "/report", "unknown"),
        ({"report": {}}, "/report", "unknown"),
        ({"shop": None}, "/shop", "missing"),
        ({"shop": ""}, "/shop", "format"),
        ({"shop": "HERE"}, "/shop", "format"),
        ({"shop": "here\n"}, "/shop", "format"),
        ({"shop": ["here"]}, "/shop", "format"),
        ({"shop": 5}, "/shop", "format"),
        ({"from": None}, "/from", "missing"),
        ({"to": None}, "/to", "missing"),
        ({"from": "2024-13-1"}, "/from", "invalid"),
        ({"from": "2024-2-30"}, "/from", "invalid"),
        ({"from": 1720000000}, "/from", "invalid"),
        ({"from": "now"}, "/from", "invalid"),
        ({"from": ""}, "/from", "invalid"),
        ({"to": "\u0662\u0660\u0662\u0664-\u0660\u0667-\u0663\u0661"}, "/to", "invalid"),
        ({"to": "9999-12-31"}, "/to", "invalid"),
        ({"to": "2024-06-30"}, "/to", "range"),
        ({"to": "2025-07-02"}, "/to", "range"),
        ({"timeZone": "Mars/Olympus"}, "/timeZone", "invalid"),
        ({"timeZone": ""}, "/timeZone", "invalid"),
        ({"timeZone": 2}, "/timeZone", "invalid"),
        ({"filters": []}, "/filters", "type"),
        ({"filters": "utm=wa"}, "/filters", "type"),
        ({"filters": {"nothing": 1}}, "/filters/nothing", "unknown"),
        ({"filters": {"a/b~c": 1}}, "/filters/a~1b~0c", "unknown"),
        ({"filters": {"shop": "there"}}, "/filters/shop", "unknown"),
        ({"filters": {"yes": "true"}}, "/filters/yes", "invalid"),
        ({"filters": {"yes": {"eq": True}}}, "/filters/yes/eq", "unknown"),
        ({"filters": {"yes": {}}}, "/filters/yes", "length"),
        ({"filters": {"yes": {"gte": True}}}, "/filters/yes/gte", "unknown"),
        ({"filters": {"words": {"a/b": "x"}}}, "/filters/words/a~1b", "unknown"),
        ({"filters": {"words": {"contains": None}}}, "/filters/words/contains", "invalid"),
        ({"filters": {"words": {"contains": ["a"]}}}, "/filters/words/contains", "invalid"),
        ({"filters": {"size": {"contains": "a"}}}, "/filters/size/contains", "unknown"),
        ({"filters": {"size": {"not": "middling"}}}, "/filters/size/not", "invalid"),
        ({"filters": {"whole": {"gte": "5"}}}, "/filters/whole/gte", "invalid"),
        ({"filters": {"whole": {"lt": None}}}, "/filters/whole/lt", "invalid"),
        ({"filters": {"whole": {"not": []}}}, "/filters/whole/not", "length"),
        ({"filters": {"whole": {"not": {"gte": 5}}}}, "/filters/whole/not", "invalid"),
        ({"filters": {"whole": {"null": "true"}}}, "/filters/whole/null", "invalid"),
        ({"filters": {"whole": [{"gte": 5}]}}, "/filters/whole", "invalid"),
        ({"filters": {"whole": [1, "2"]}}, "/filters/whole", "invalid"),
        ({"filters": {"whole": [[1]]}}, "/filters/whole", "invalid"),
        ({"filters": {"whole": []}}, "/filters/whole", "length"),
        ({"filters": {"whole": [1] * (MAX_ANY_OF + 1)}}, "/filters/whole", "length"),
        ({"filters": {"size": "middling"}}, "/filters/size", "invalid"),
        ({"columns": []}, "/columns", "invalid"),
        ({"columns": "id"}, "/columns", "invalid"),
        ({"columns": [1]}, "/columns", "invalid"),
        ({"columns": ["id", "nothing"]}, "/columns", "invalid"),
        ({"columns": ["id", "id"]}, "/columns", "invalid"),
        ({"columns": ["shop"]}, "/columns", "invalid"),
        ({"sort": "nothing"}, "/sort", "invalid"),
        ({"sort": ""}, "/sort", "invalid"),
        ({"sort": "id,"}, "/sort", "invalid"),
        ({"sort": "--id"}, "/sort", "invalid"),
        ({"sort": "id,-id"}, "/sort", "invalid"),
        ({"sort": "extra"}, "/sort", "invalid"),
        ({"sort": ["id"]}, "/sort", "invalid"),
        ({"csv": "fancy"}, "/csv/preset", "invalid"),
        ({"csv": {"delimiter": '"'}}, "/csv/delimiter", "invalid"),
        ({"csv": {"a/b": 1}}, "/csv/a~1b", "invalid"),
        ({"csv": {"decimalMark": ","}}, "/csv/decimalMark", "invalid"),
        ({"csv": {"splitRows": 5}}, "/csv/splitRows", "invalid"),
        ({"csv": 5}, "/csv", "invalid"),
        ({"csv": []}, "/csv", "invalid"),
        ({"name": ""}, "/name", "invalid"),
        ({"name": "x" * 201}, "/name", "invalid"),
        ({"name": "two\nlines"}, "/name", "invalid"),
        ({"name": "\u200d\u3000"}, "/name", "invalid"),
        ({"name": "\u202egpj.exe"}, "/name", "invalid"),
        ({"name": "a\u2028b"}, "/name", "invalid"),
        ({"name": "\ufffeb"}, "/name", "invalid"),
        ({"name": "\u200f"}, "/name", "invalid"),
        ({"name": 5}, "/name", "invalid"),
        ({"email": "a@b"}, "/email", "unknown"),
        ({"filters/whole": 1}, "/filters~1whole", "unknown"),
        ({"": 1}, "/", "unknown"),
        ({"surveyId": "668b6fa3b8d693cd865b44bb"}, "/surveyId", "unknown"),
    ],
)
def test_an_invalid_field_is_rejected_with_pointer_and_code(
    change: dict[str, Any], pointer: str, code: str
) -> None:
    errors = request_errors(BODY | change)
    assert [(error.pointer, error.code) for error in errors] == [(pointer, code)]
    assert errors[0].detail.endswith(".")


@pytest.mark.parametrize("body", [None, [], "text", 5, True, [BODY]])
def test_a_body_must_be_an_object(body: object) -> None:
    assert request_errors(body) == [FieldError("", "type", "The body must be a JSON object.")]


def test_all_errors_are_reported_at_once() -> None:
    errors = request_errors(
        {"report": "things", "from": "now", "filters": {"yes": 1, "no": 2}, "sort": "x", "extra": 1}
    )
    assert [(error.pointer, error.code) for error in errors] == [
        ("/shop", "missing"),
        ("/from", "invalid"),
        ("/to", "missing"),
        ("/filters/yes", "invalid"),
        ("/filters/no", "unknown"),
        ("/sort", "invalid"),
        ("/extra", "unknown"),
    ]


def test_the_range_is_checked_despite_other_errors() -> None:
    errors = request_errors(BODY | {"to": "2024-06-01", "sort": "nothing", "timeZone": "Europe/Berlin"})
    assert [error.pointer for error in errors] == ["/to", "/sort"]


def test_common_fields_are_checked_for_an_unknown_report() -> None:
    errors = request_errors({"report": "nothing", "timeZone": "Mars/Olympus", "name": 5, "shop": 7})
    assert [(error.pointer, error.code) for error in errors] == [
        ("/report", "unknown"),
        ("/timeZone", "invalid"),
        ("/name", "invalid"),
    ]


def test_the_error_for_an_unknown_report_lists_the_known_reports() -> None:
    assert request_errors({"report": "nothing"}) == [
        FieldError("/report", "unknown", "Unknown report. Choose from: things.")
    ]


def test_a_report_without_a_period_rejects_dates() -> None:
    timeless = replace(THINGS, period=None)
    assert parse_request({"report": "things", "shop": "here"}, {"things": timeless}).period is None
    assert [error.pointer for error in request_errors(BODY, {"things": timeless})] == ["/from", "/to"]


@pytest.mark.parametrize(
    ("max_days", "to", "is_accepted"),
    [
        (366, "2025-06-30", True),
        (366, "2025-07-02", False),
        (1, "2024-07-01", True),
        (None, "2199-1-1", True),
    ],
)
def test_a_range_is_limited_by_max_days(max_days: int | None, to: str, is_accepted: bool) -> None:
    reports = {"things": replace(THINGS, max_days=max_days)}
    if is_accepted:
        assert parse_request(BODY | {"to": to}, reports).period
    else:
        assert [error.code for error in request_errors(BODY | {"to": to}, reports)] == ["range"]


def test_a_range_across_a_clock_change_counts_whole_days() -> None:
    reports = {"things": replace(THINGS, max_days=30)}
    october = {"from": "2024-10-01", "to": "2024-10-30", "timeZone": "Europe/Berlin"}
    assert parse_request(BODY | october, reports).period


SAME_FILE = [
    {"from": "2024-7-1"},
    {"from": "2024-07-01T00:00:00Z", "to": "2024-08-01T00:00:00Z"},
    {"from": "2024-07-01T02:00:00+02:00"},
    {"timeZone": "UTC"},
    {"filters": {}},
    {"filters": None, "columns": None, "sort": None, "timeZone": None, "csv": None, "name": None},
    {"sort": "madeAt"},
    {"csv": "plain"},
    {"csv": {"header": "labels"}},
    {"csv": {}},
]
SAME_FILTERED_FILE = [
    {"filters": {"whole": [1, 2], "price": 10, "words": None}},
    {"filters": {"words": [None], "price": [10], "whole": [2, 1]}},
    {"filters": {"words": [None, None], "price": 10.0, "whole": [2, 1, 2]}},
]
OTHER_FILES = [
    {},
    {"shop": "there"},
    {"from": "2024-07-02"},
    {"to": "2024-07-30"},
    {"timeZone": "Europe/London"},
    {"filters": {"whole": 1}},
    {"filters": {"large": 1}},
    {"filters": {"whole": None}},
    {"filters": {"words": None}},
    {"filters": {"words": "None"}},
    {"filters": {"words": "null"}},
    {"filters": {"words": "1"}},
    {"filters": {"words": ""}},
    {"filters": {"words": {"contains": ""}}},
    {"filters": {"words": {"not": ""}}},
    {"filters": {"whole": {"gte": 1}}},
    {"filters": {"whole": {"gt": 1}}},
    {"filters": {"whole": {"gte": 1, "lt": 5}}},
    {"filters": {"whole": {"null": True}}},
    {"filters": {"whole": {"null": False}}},
    {"columns": ["id"]},
    {"columns": ["id", "words"]},
    {"columns": ["words", "id"]},
    {"sort": "-madeAt"},
    {"sort": "madeAt,id"},
    {"csv": {"header": "keys"}},
    {"csv": {"header": "none"}},
    {"name": "mine"},
    {"name": "売上\u3000報告\u00a0می\u200cخواهم 👨\u200d👩\u200d👧"},  # noqa: RUF001 - Persian
    {"name": "\U0001fae9 \U0001faea"},  # emoji that Python's Unicode data does not contain yet
    {"name": "שלום\u200f! Ver\u00adtrag \U0001f3f4\U000e0067\U000e0062\U000e007f"},
]


@pytest.mark.parametrize("spellings", [SAME_FILE, SAME_FILTERED_FILE])
def test_requests_for_the_same_file_have_the_same_fingerprint(spellings: list[dict[str, Any]]) -> None:
    assert len({things_request(**fields).fingerprint for fields in spellings}) == 1


def test_requests_for_different_files_have_different_fingerprints() -> None:
    assert len({things_request(**fields).fingerprint for fields in OTHER_FILES}) == len(OTHER_FILES)


def test_a_null_report_is_the_default_report() -> None:
    default = parse_request(ARTICLE_BODY, catalog(("flows.samples",)))
    assert parse_request(ARTICLE_BODY | {"report": None}, catalog(("flows.samples",))) == default


def test_the_body_of_a_request_parses_to_the_same_request() -> None:
    request = things_request(filters={"whole": [1, None]}, sort=None, name="mine")
    assert request.body == BODY | {"filters": {"whole": [1, None]}, "name": "mine"}
    assert parse_request(request.body, REPORTS) == request


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "things_here_2024-07-01_2024-07-31.csv"),
        ({"from": "2024-7-1"}, "things_here_2024-07-01_2024-07-31.csv"),
        ({"shop": "../etc/passwd"}, "things_..-etc-passwd_2024-07-01_2024-07-31.csv"),
        ({"shop": 'a"\r\nX: y'}, "things_a---X--y_2024-07-01_2024-07-31.csv"),
        ({"shop": "größe"}, "things_gr--e_2024-07-01_2024-07-31.csv"),
        ({"name": "../../x"}, "things_here_2024-07-01_2024-07-31.csv"),
        (
            {"from": "2024-07-01T08:00:00+02:00", "to": "2024-07-02T00:00:00Z"},
            "things_here_2024-07-01T060000Z_2024-07-02T000000Z.csv",
        ),
    ],
)
def test_file_names_are_ascii_and_safe(change: dict[str, Any], name: str) -> None:
    any_shop = replace(THINGS, scope={"shop": replace(THINGS.scope["shop"], pattern=r"(?s).*")})
    assert parse_request(BODY | change, {"things": any_shop}).file_name(0) == name


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_file_names_stay_short_and_safe_for_any_id(shop: str) -> None:
    any_shop = replace(THINGS, scope={"shop": replace(THINGS.scope["shop"], pattern=r"(?s).*")})
    name = parse_request(BODY | {"shop": shop}, {"things": any_shop}).file_name(0)
    assert set(name) <= {*string.ascii_letters, *string.digits, *"._-"}
    assert name.startswith("things_")
    assert name.endswith(".csv")
    assert len(name) <= 204


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*BODY, "filters", "columns", "sort", "timeZone", "csv", "name"])
FILTERS = st.dictionaries(st.sampled_from([*THINGS.filters]), JSON_VALUES, min_size=1, max_size=3)


@given(st.dictionaries(FIELDS, JSON_VALUES), st.none() | FILTERS)
@settings(max_examples=100)
def test_any_json_is_accepted_or_raises_invalid_request(
    change: dict[str, Any], filters: dict[str, Any] | None
) -> None:
    with suppress(InvalidRequest):
        request = parse_request(BODY | change | ({"filters": filters} if filters else {}), REPORTS)
        assert len(request.fingerprint) == 64
        assert request.file_name(0).isascii()


@pytest.mark.parametrize(
    ("csv", "rows", "extension"),
    [
        ("plain", 10**7, ".csv"),
        ("excel", 10**6, ".csv"),
        ("excel", 10**7, ".zip"),
        ({"compression": "gzip"}, 5, ".csv.gz"),
        ({"compression": "zip"}, 5, ".zip"),
    ],
)
def test_file_names_have_the_right_extension(csv: Any, rows: int, extension: str) -> None:
    assert things_request(csv=csv).file_name(rows) == "things_here_2024-07-01_2024-07-31" + extension


def test_a_date_filter_is_parsed_to_dates() -> None:
    assert things_request(filters={"day": ["2024-7-1", None]}).filters == {"day": (date(2024, 7, 1), None)}
