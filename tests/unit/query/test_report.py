from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    select,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flows.errors import DeclarationError
from flows.query.report import (
    Choices,
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
TEXT = (
    "select: text() is not supported, because the service adds conditions and an order."
    " Use select(table.c.column, …), or select(text(…).columns(…).subquery())"
)
PATTERN = "scope: 'pageId': pattern must be a regular expression as text"
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
            "key: column visits.referrer can be null, so it cannot identify rows. If it is never null,"
            " declare it with nullable=False or primary_key=True; otherwise, choose another column",
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
        ({"scope": {"page id": scope()}}, "scope: 'page id' must consist of letters, digits and underscores"),
        ({"scope": {"from": scope()}}, "scope: 'from' is a reserved name"),
        ({"scope": {"page": scope()}}, "scope: 'page' is a reserved name"),
        (
            {"scope": {"pageId": scope("(")}},
            "scope: 'pageId': pattern is not a valid regular expression:"
            " missing ), unterminated subpattern at position 0",
        ),
        (
            {"scope": {"pageId": replace(scope(), title="path")}},
            "scope: 'pageId': title: no column is named 'path'; choose from"
            " id, page_id, seen_at, referrer, browser, details",
        ),
        (
            {"scope": {"pageId": replace(scope(), title=visits.c.id)}},
            "scope: 'pageId': title: column visits.id has type integer, not string",
        ),
        (
            {"scope": {"pageId": replace(scope(), title=things.c.words)}},
            "scope: 'pageId': title must be a column of the same table as known",
        ),
        ({"filters": {"a-b": visits.c.id}}, "filters: 'a-b' must consist of letters, digits and underscores"),
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
        (
            {"questions": Questions(visits.c.details, THREE, {}, choices=Choices(select(visits.c.id), {}))},
            "questions: choices: select must return question key, code and label",
        ),
        (
            {
                "questions": Questions(
                    visits.c.details, THREE, {}, choices=Choices(THREE, {"pageId": visits.c.page_id})
                )
            },
            "questions: scope 'pageId' is not a scope of the report",
        ),
        (
            {"questions": Questions(visits.c.details, THREE, {}, choices=Choices(THREE, {}, stored="keys"))},  # type: ignore[arg-type]
            'questions: choices: must be Choices(select=…, scope=…, stored="codes" or "labels")',
        ),
        ({"select": text("SELECT 1")}, TEXT),
        ({"select": text("SELECT id FROM visits").columns(visits.c.id)}, TEXT),
        ({"select": "SELECT 1"}, TEXT),
        (
            {"select": select(visits.c.id).union(select(visits.c.id))},
            "select: a union cannot be filtered; use select(union(…).subquery())",
        ),
        ({"select": 5}, "select: 5 is not a select(…), a table or an ORM class"),
        (
            {"key": (visits.c.id, visits.c.page_id)},
            "key: must be one column, not 2. Combine the columns,"
            " for example as func.concat(table.c.a, '-', table.c.b)",
        ),
        (
            {"key": None},
            "key: None is not a column such as table.c.name, an ORM attribute or a column's name",
        ),
        (
            {"key": "ident"},
            "key: no column is named 'ident'; choose from id, page_id, seen_at, referrer, browser, details",
        ),
        (
            {"select": select(visits.c.seen_at).join_from(visits, things, true()), "key": "id"},
            "key: 'id' could be visits.id and things.id; use the column instead of its name",
        ),
        (
            {"filters": [visits.c.page_id]},
            'filters: must map names to values, such as filters={"carrier": flights.c.carrier}',
        ),
        (
            {"scope": visits.c.page_id},
            'scope: must map names to values, such as scope={"origin": flights.c.origin}',
        ),
        (
            {"headings": ["id"]},
            'headings: must map names to values, such as headings={"carrier": Heading(label="Airline")}',
        ),
        ({"headings": {"id": 5}}, "headings: 'id': must be a label or Heading(label=…, pii=…)"),
        (
            {"filters": {"page": Filter(visits.c.page_id, choices="a")}},
            'filters: \'page\': choices must be a tuple, such as choices=("AA", "DL")',
        ),
        ({"scope": {"pageId": Scope(visits.c.page_id, pattern=5)}}, PATTERN),  # type: ignore[arg-type]
        ({"name": None}, 'name: must be text, such as name="flights"'),
        ({"title": 5}, 'title: must be text, such as title="Flights"'),
        ({"sort": ["id"]}, 'sort: must be text, such as sort="-scheduledAt,carrier"'),
        (
            {"max_days": 0},
            "max_days: must be a whole number of at least 1, or None for no limit; 0 is neither",
        ),
        (
            {"max_days": True},
            "max_days: must be a whole number of at least 1, or None for no limit; True is neither",
        ),
        (
            {"max_rows": "5"},
            "max_rows: must be a whole number of at least 1, or None for no limit; '5' is neither",
        ),
        ({"transform": "x"}, "transform: must be a function that takes a data frame and returns one"),
        ({"questions": visits.c.details}, "questions: must be Questions(answers=…, select=…, scope=…)"),
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


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Plane(Base):
    __tablename__ = "planes"
    tail: Mapped[str] = mapped_column("tailnum", primary_key=True)
    carrier: Mapped[str]
    built_at: Mapped[datetime]
    owner_id: Mapped[int] = mapped_column(ForeignKey(Owner.id))
    owner: Mapped[Owner] = relationship()


def planes(**parts: Any) -> Report:
    declared: dict[str, Any] = {
        "name": "planes",
        "title": "Planes",
        "select": select(Plane),
        "key": Plane.tail,
    }
    return Report(**declared | parts)


COLUMNS = Plane.__table__.c


@pytest.mark.parametrize(
    "report",
    [
        planes(
            period=Plane.built_at,
            filters={"carrier": Plane.carrier},
            scope={"owner": Plane.owner_id},
            headings={"carrier": "Airline"},
        ),
        planes(
            select=Plane,
            period="built_at",
            filters={"carrier": Filter("carrier")},  # type: ignore[arg-type]
            scope={"owner": Scope("owner_id", known=Plane.owner_id)},  # type: ignore[arg-type]
            headings={"carrier": Heading("Airline")},
        ),
        planes(
            select=Plane.__table__,
            key="tailnum",
            period="builtAt",
            filters={"carrier": Filter(COLUMNS.carrier)},
            scope={"owner": "owner_id"},
            headings={"carrier": Heading("Airline")},
        ),
    ],
    ids=["attributes", "class and names", "table and names"],
)
def test_classes_attributes_and_names_declare_the_same_report(report: Report) -> None:
    assert list(report.table_columns) == ["tailnum", "carrier", "builtAt", "ownerId"]
    assert report.table_columns["carrier"].label == "Airline"
    scope = report.scope["owner"]
    columns = [report.key, report.period, report.filter_columns["carrier"].column, scope.column, scope.known]
    declared = [COLUMNS.tailnum, COLUMNS.built_at, COLUMNS.carrier, COLUMNS.owner_id, COLUMNS.owner_id]
    assert [hash(column) for column in columns] == [hash(column) for column in declared]
    assert scope.pattern == "-?[0-9]{1,20}"
    assert replace(report, file="planes.py").table_columns.keys() == report.table_columns.keys()


def test_a_name_refers_to_a_column_of_a_joined_table() -> None:
    report = planes(select=select(Plane.carrier, Owner.name.label("owner")).join(Plane.owner), sort="owner")
    report = replace(report, key="tailnum", filters={"owner": "name", "also": "owner"})
    assert report.filter_columns["owner"].column is Owner.__table__.c.name
    assert str(report.filter_columns["also"].column) == "owners.name"


@pytest.mark.parametrize(
    ("column", "value", "matches"),
    [
        (visits.c.id, "12", True),
        (visits.c.id, "123456789012345678901", False),
        (visits.c.id, "x", False),
        (visits.c.page_id, "any text, even with spaces", True),
        (visits.c.page_id, "", False),
        (visits.c.page_id, "a\x00", False),
        (things.c.mark, "899e1228-d7b8-40fc-8490-70e6f1efb338", True),
        (things.c.mark, "899e1228", False),
    ],
)
def test_the_default_pattern_of_a_scope_depends_on_its_type(column: Any, value: str, matches: bool) -> None:
    report = Report(**GOOD | {"select": select(things), "key": things.c.id}, scope={"id": column})
    assert report.scope["id"].matches(value) is matches


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("submitted_at", "Submitted at"),
        ("customerID", "Customer ID"),
        ("customer_ID", "Customer ID"),
        ("customerId", "Customer id"),
        ("HTTPStatus", "HTTP status"),
        ("isAttended", "Is attended"),
        ("CUSTOMER_NAME", "Customer name"),
        ("ID", "Id"),
        ("Total (%)", "Total (%)"),
        ("größe", "Größe"),
    ],
)
def test_a_label_keeps_the_acronyms_of_a_name(name: str, label: str) -> None:
    column = Column(name, Integer, primary_key=True)
    table = Table("labelled", MetaData(), column)
    report = Report(**GOOD | {"select": select(table), "key": column})
    assert [column.label for column in report.table_columns.values()] == [label]
