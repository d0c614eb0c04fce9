from decimal import Decimal
from typing import Any

import pytest

from api.tables.table_query import TableQuery, parse_table_query
from flows.errors import InvalidRequest
from flows.query.filters.operators import Conditions
from tests.support.sample_report import REPORTS, things_request

BASE = [("report", "things"), ("shop", "here"), ("from", "2024-07-01"), ("to", "2024-07-31")]


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ([], {}),
        ([("words", "wa")], {"words": ("wa",)}),
        ([("words", "")], {"words": ("",)}),
        ([("words", "wa"), ("words", "sms")], {"words": ("wa", "sms")}),
        ([("yes", "true")], {"yes": (True,)}),
        ([("whole", "5"), ("whole", "-6")], {"whole": (5, -6)}),
        ([("price", "9.99")], {"price": (Decimal("9.99"),)}),
        ([("filters", '{"whole":[5,null],"words":null}')], {"whole": (5, None), "words": (None,)}),
        ([("filters", '{"whole":5}'), ("words", "wa")], {"whole": (5,), "words": ("wa",)}),
        ([("filters", "{}")], {}),
    ],
)
def test_filters_can_be_parameters_or_json(query: list[tuple[str, str]], filters: dict[str, Any]) -> None:
    assert parse_table_query(BASE + query, REPORTS).request.filters == filters


@pytest.mark.parametrize(
    ("query", "conditions"),
    [
        ([("whole[gte]", "5"), ("whole[lt]", "7")], {"gte": 5, "lt": 7}),
        ([("whole[not]", "5")], {"not": (5,)}),
        ([("whole[not]", "5"), ("whole[not]", "6")], {"not": (5, 6)}),
        ([("whole[null]", "false")], {"null": False}),
        ([("filters", '{"whole":{"not":[5,null]}}')], {"not": (5, None)}),
    ],
)
def test_operators_follow_the_name_of_a_filter(query: list[tuple[str, str]], conditions: Any) -> None:
    parsed = parse_table_query(BASE + query, REPORTS).request.filters["whole"]
    assert isinstance(parsed, Conditions)
    assert parsed.by_operator == conditions


def test_a_query_and_a_body_give_the_same_request() -> None:
    query = [("sort", "-price,id"), ("columns", "id,answers"), ("timeZone", "Asia/Kolkata"), ("whole", "5")]
    body = things_request(
        sort="-price,id", columns=["id", "answers"], timeZone="Asia/Kolkata", filters={"whole": 5}
    )
    assert parse_table_query(BASE + query, REPORTS).request == body


@pytest.mark.parametrize(
    ("query", "page", "size", "cursor"),
    [
        ([], 1, 25, None),
        ([("page", "3")], 3, 25, None),
        ([("page", "1000000"), ("pageSize", "200")], 1_000_000, 200, None),
        ([("pageSize", "1")], 1, 1, None),
        ([("cursor", "abc"), ("pageSize", "5")], 1, 5, "abc"),
        ([("page", "007")], 7, 25, None),
    ],
)
def test_a_page_is_numbered_or_follows_a_cursor(
    query: list[tuple[str, str]], page: int, size: int, cursor: str | None
) -> None:
    assert parse_table_query(BASE + query, REPORTS) == TableQuery(things_request(), page, size, cursor)


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ([("shop", "there")], "/shop", "duplicate"),
        ([("report", "things")], "/report", "duplicate"),
        ([("from", "2024-07-02")], "/from", "duplicate"),
        ([("page", "1"), ("page", "2")], "/page", "duplicate"),
        ([("sort", "id"), ("sort", "id")], "/sort", "duplicate"),
        ([("filters", "{}"), ("filters", "{}")], "/filters", "duplicate"),
        ([("filters", '{"whole":5}'), ("whole", "5")], "/whole", "duplicate"),
        ([("nothing", "1")], "/nothing", "unknown"),
        ([("nothing[gte]", "1")], "/nothing[gte]", "unknown"),
        ([("whole[gte", "1")], "/whole[gte", "unknown"),
        ([("whole[]", "1")], "/whole/", "unknown"),
        ([("whole[like]", "1")], "/whole/like", "unknown"),
        ([("whole[gte]", "five")], "/whole/gte", "invalid"),
        ([("whole[null]", "no")], "/whole/null", "invalid"),
        ([("whole[gte]", "1"), ("whole[gte]", "2")], "/whole[gte]", "duplicate"),
        ([("whole", "1"), ("whole[gte]", "2")], "/whole", "duplicate"),
        ([("filters", '{"whole":5}'), ("whole[gte]", "5")], "/whole", "duplicate"),
        ([("a/b", "1")], "/a~1b", "unknown"),
        ([("Page", "1")], "/Page", "unknown"),
        ([("filters", '{"nothing":5}')], "/nothing", "unknown"),
        ([("whole", "five")], "/whole", "invalid"),
        ([("whole", "")], "/whole", "invalid"),
        ([("whole", "[5,6]")], "/whole", "invalid"),
        ([("whole", "18446744073709551616")], "/whole", "invalid"),
        ([("yes", "1")], "/yes", "invalid"),
        ([("price", "NaN")], "/price", "invalid"),
        ([("filters", "")], "/filters", "json"),
        ([("filters", "{")], "/filters", "json"),
        ([("filters", '{"a":1,"a":1}')], "/filters/a", "duplicate"),
        ([("filters", "[" * 5000)], "/filters", "depth"),
        ([("filters", "[]")], "/filters", "type"),
        ([("filters", "null")], "/filters", "type"),
        ([("columns", "")], "/columns", "invalid"),
        ([("columns", "id,,words")], "/columns", "invalid"),
        ([("sort", "")], "/sort", "invalid"),
        ([("timeZone", "")], "/timeZone", "invalid"),
        ([("csv", "fancy")], "/csv/preset", "invalid"),
        ([("words", "a\0b")], "/words", "text"),
        ([("words", "\ud800")], "/words", "text"),
        ([("page", "0")], "/page", "range"),
        ([("page", "-1")], "/page", "range"),
        ([("page", "1.0")], "/page", "range"),
        ([("page", "")], "/page", "range"),
        ([("page", " 1")], "/page", "range"),
        ([("page", "1_0")], "/page", "range"),
        ([("page", "\u0661")], "/page", "range"),
        ([("page", "\u00b2")], "/page", "range"),
        ([("page", "1000001")], "/page", "range"),
        ([("page", "9" * 5000)], "/page", "range"),
        ([("pageSize", "0")], "/pageSize", "range"),
        ([("pageSize", "201")], "/pageSize", "range"),
        ([("cursor", "abc"), ("page", "1")], "/cursor", "conflict"),
    ],
)
def test_an_error_in_the_query_is_reported(query: list[tuple[str, str]], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_table_query(BASE + query, REPORTS)
    assert [(error.pointer, error.code) for error in raised.value.errors] == [(pointer, code)]


def test_an_unknown_report_is_reported_before_its_filters() -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_table_query([("report", "nothing"), ("words", "wa")], REPORTS)
    assert [error.pointer for error in raised.value.errors] == ["/report"]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "The parameter `filters` is not JSON: Expecting property name enclosed in double quotes"),
        ("[" * 5000, "The parameter `filters` is nested deeper than 16 levels."),
        ("[" * 20 + "]" * 20, "The parameter `filters` is nested deeper than 16 levels."),
        ("9" * 5000, "The parameter `filters` cannot be read: "),
    ],
)
def test_the_error_for_malformed_filters_names_the_parameter(text: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_table_query([*BASE, ("filters", text)], REPORTS)
    assert raised.value.errors[0].detail.startswith(detail)
