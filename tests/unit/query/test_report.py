from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import JSON, Column, DateTime, Enum, Integer, MetaData, String, Table, Text, func, select

from flows.errors import DeclarationError
from flows.query.report import (
    Filter,
    Heading,
    Questions,
    Report,
    Scope,
    SortKey,
    TableColumn,
    parse_sort,
    type_name,
)
from tests.support.sample_report import THINGS, things

visits = Table(
    "visits",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("page_id", String, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("referrer", Text),
    Column("browser", Enum("chrome", "firefox", name="browser")),
    Column("details", JSON),
)
GOOD: dict[str, Any] = {
    "name": "visits",
    "title": "Visits",
    "select": select(visits.c.id, visits.c.seen_at, visits.c.referrer, visits.c.details),
    "key": visits.c.id,
}
THREE = select(visits.c.id, visits.c.referrer, visits.c.page_id)


def test_four_fields_declare_a_report() -> None:
    report = Report(**GOOD)
    assert report.table_columns == {
        "id": TableColumn("id", "Id", "integer", False, visits.c.id),
        "seenAt": TableColumn("seenAt", "Seen at", "date-time", False, visits.c.seen_at),
        "referrer": TableColumn("referrer", "Referrer", "string", False, visits.c.referrer),
        "details": TableColumn("details", "Details", "json", False, visits.c.details),
    }
    assert report.default_sort == ()
    assert report.filter_columns == {}
    assert report.max_days == 366


def scope(pattern: str = ".+") -> Scope:
    return Scope(visits.c.page_id, pattern=pattern, known=visits.c.page_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Visits"}, "name: 'Visits' must be lower-case words joined by hyphens"),
        ({"name": ""}, "name: '' must be lower-case words joined by hyphens"),
        ({"name": "a_b"}, "name: 'a_b' must be lower-case words joined by hyphens"),
        ({"name": "../x"}, "name: '../x' must be lower-case words joined by hyphens"),
        ({"select": select()}, "select has no columns"),
        (
            {"select": select(visits.c.id, visits.c.referrer.label("id"))},
            "select: two columns have the key 'id'; give one a label()",
        ),
        (
            {"select": select(visits.c.seen_at, visits.c.referrer.label("seenAt"))},
            "select: two columns have the key 'seenAt'; give one a label()",
        ),
        (
            {"key": visits.c.referrer},
            "key: column visits.referrer can be null, so it cannot identify rows",
        ),
        (
            {"period": visits.c.referrer},
            "period: column visits.referrer has type string, not date or date-time",
        ),
        ({"period": visits.c.id}, "period: column visits.id has type integer, not date or date-time"),
        (
            {"sort": "seen_at"},
            "sort: cannot sort by 'seen_at'; choose from id, seenAt, referrer",
        ),
        ({"sort": "details"}, "sort: cannot sort by 'details'; choose from id, seenAt, referrer"),
        ({"sort": "id,-id"}, "sort: must not name a column twice"),
        (
            {"headings": {"refferer": Heading("From")}},
            "headings: 'refferer' is not in the select; choose from id, seenAt, referrer, details",
        ),
        (
            {"scope": {"pageId": visits.c.page_id}},
            "scope: 'pageId' must be a Scope(column, pattern=…, known=…)",
        ),
        ({"scope": {"page id": scope()}}, "scope: 'page id' must be letters, digits and underscores"),
        ({"scope": {"from": scope()}}, "scope: 'from' is a reserved name"),
        ({"scope": {"page": scope()}}, "scope: 'page' is a reserved name"),
        (
            {"scope": {"pageId": scope("(")}},
            "scope: 'pageId': pattern is not a valid regular expression:"
            " missing ), unterminated subpattern at position 0",
        ),
        (
            {"scope": {"pageId": replace(scope(), title="path")}},
            "scope: 'pageId': title: 'path' is not a column such as table.c.name",
        ),
        (
            {"scope": {"pageId": replace(scope(), title=visits.c.id)}},
            "scope: 'pageId': title: column visits.id has type integer, not string",
        ),
        (
            {"scope": {"pageId": replace(scope(), title=things.c.words)}},
            "scope: 'pageId': title must be a column of the same table as known",
        ),
        ({"filters": {"a-b": visits.c.id}}, "filters: 'a-b' must be letters, digits and underscores"),
        ({"filters": {"sort": visits.c.id}}, "filters: 'sort' is a reserved name or a scope"),
        (
            {"scope": {"pageId": scope()}, "filters": {"pageId": visits.c.page_id}},
            "filters: 'pageId' is a reserved name or a scope",
        ),
        (
            {"filters": {"details": visits.c.details}},
            "filters: 'details': columns of type json cannot be filtered",
        ),
        (
            {"questions": Questions(visits.c.referrer, THREE, {})},
            "questions: column visits.referrer is not JSON",
        ),
        (
            {"questions": Questions(visits.c.details, select(visits.c.id), {})},
            "questions: select must return key, label and multiple",
        ),
        (
            {"questions": Questions(visits.c.details, THREE, {"pageId": visits.c.page_id})},
            "questions: scope 'pageId' is not a scope of the report",
        ),
    ],
)
def test_an_invalid_declaration_is_rejected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        Report(**GOOD | change)
    assert str(raised.value) == message


def test_a_heading_sets_a_columns_label_and_marks_personal_data() -> None:
    report = Report(**GOOD, headings={"referrer": Heading("Came from", pii=True), "id": Heading(pii=True)})
    headings = [(column.label, column.pii) for column in report.table_columns.values()]
    assert headings == [("Id", True), ("Seen at", False), ("Came from", True), ("Details", False)]


def test_a_labelled_expression_is_a_column() -> None:
    longest = func.char_length(visits.c.referrer).label("referrer_length")
    column = Report(**GOOD | {"select": select(longest)}).table_columns["referrerLength"]
    assert (column.label, column.type) == ("Referrer length", "integer")


def test_a_filter_may_be_a_column_and_an_enum_has_choices() -> None:
    site = Filter(visits.c.page_id, choices=("a", "b"))
    report = Report(**GOOD, filters={"browser": visits.c.browser, "site": site})
    choices = {name: filter_.known_choices for name, filter_ in report.filter_columns.items()}
    assert choices == {"browser": ("chrome", "firefox"), "site": ("a", "b")}


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        (r"[0-9a-f]{24}", "668b6fa3b8d693cd865b44bb", True),
        (r"[0-9a-f]{24}", "668b6fa3b8d693cd865b44bb\n", False),
        (r"[0-9a-f]{24}", "x668b6fa3b8d693cd865b44bb", False),
        (r"\d+", "123", True),
        (r"\d+", "١٢٣", False),
    ],
)
def test_a_scope_value_must_match_the_whole_pattern_in_ascii(pattern: str, value: str, matches: bool) -> None:
    assert scope(pattern).matches(value) is matches


def test_a_sort_lists_keys_with_their_direction() -> None:
    assert parse_sort("-madeAt,id", THINGS) == (SortKey("madeAt", True), SortKey("id", False))
    assert ",".join(map(str, parse_sort("-madeAt,id", THINGS))) == "-madeAt,id"


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("words", "string"),
        ("whole", "integer"),
        ("large", "integer"),
        ("price", "number"),
        ("rate", "number"),
        ("yes", "boolean"),
        ("day", "date"),
        ("hour", "time"),
        ("made_at", "date-time"),
        ("mark", "uuid"),
        ("extra", "json"),
    ],
)
def test_column_types_have_one_name_for_all_databases(column: str, kind: str) -> None:
    assert type_name(things.c[column].type) == kind


def test_setting_the_file_does_not_change_the_report() -> None:
    assert replace(THINGS, file="things.py").table_columns == THINGS.table_columns
