"""Test how reports are masked for callers who may not see personal data."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
    type_coerce,
    union_all,
)

from api.tables.table_query import parse_table_query
from flows.errors import InvalidRequest
from flows.query.masking import mask_reports, unmarked_columns
from flows.query.report import Filter, Heading, Questions, Report, Scope
from flows.query.request import parse_request
from flows.reports import catalog
from flows.samples.orders import customers, orders
from tests.support.engines import file_from_snapshot
from tests.support.sample_report import THINGS, things, things_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

SECRET = {
    "words": "ada@example.com",
    "whole": 4711,
    "large": 2**62 + 7,
    "price": Decimal("47.11"),
    "rate": 0.4711,
    "yes": True,
    "day": date(1815, 12, 10),
    "hour": time(4, 7, 11),
    "mark": UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"),
    "extra": {"secret": 4711},
}
BODY = {"report": "things", "shop": "here", "from": "2024-07-01", "to": "2024-07-31"}


def with_pii(report: Report, *keys: str) -> dict[str, Report]:
    return {report.name: replace(report, headings={key: Heading(pii=True) for key in keys})}


@pytest.mark.parametrize("key", SECRET)
def test_masked_values_of_every_type_are_absent_from_the_file(key: str) -> None:
    reports = with_pii(THINGS, key)
    with things_snapshot([SECRET, {}]) as snapshot:
        plain = file_from_snapshot(snapshot, parse_request(BODY, reports)).decode()
        masked = file_from_snapshot(snapshot, parse_request(BODY, mask_reports(reports))).decode()
    index = [column.name for column in things.c if column.name not in ("shop", "answers")].index(key)
    cells = [line.split(",")[index] for line in masked.splitlines()[1:]] if key != "extra" else ["", ""]
    assert cells == (["***", ""] if key == "words" else ["", ""])
    assert len(masked.splitlines()) == len(plain.splitlines()) == 3
    assert len(masked) < len(plain)


def test_masked_columns_keep_names_types_and_order() -> None:
    before = THINGS.table_columns.values()
    after = mask_reports(with_pii(THINGS, *SECRET))["things"].table_columns.values()
    assert [(column.key, column.label, column.type) for column in before] == [
        (column.key, column.label, column.type) for column in after
    ]


@pytest.mark.parametrize("sort", ["words", "-words", "madeAt,words"])
def test_a_masked_column_cannot_be_sorted_by(sort: str) -> None:
    with pytest.raises(InvalidRequest, match="/sort: Cannot sort by 'words'"):
        parse_request({**BODY, "sort": sort}, mask_reports(with_pii(THINGS, "words")))


@pytest.mark.parametrize("name", ["words", "size"])
def test_a_masked_column_cannot_be_filtered_under_any_name(name: str) -> None:
    reports = mask_reports(with_pii(THINGS, "words"))
    with pytest.raises(InvalidRequest, match=f"/filters/{name}: Unknown filter"):
        parse_request({**BODY, "filters": {name: "a"}}, reports)
    with pytest.raises(InvalidRequest, match=f"/{name}: Unknown field"):
        parse_table_query([*BODY.items(), (name, "a")], reports)


def test_other_columns_can_still_be_sorted_and_filtered() -> None:
    request = parse_request(
        {**BODY, "sort": "-whole", "filters": {"yes": True}}, mask_reports(with_pii(THINGS, "words"))
    )
    assert request.filters == {"yes": (True,)}


def test_the_default_order_omits_masked_columns() -> None:
    report = replace(THINGS, sort="-words,madeAt")
    assert str(mask_reports(with_pii(report, "words"))["things"].default_sort[0]) == "madeAt"


def test_filters_computed_from_a_masked_column_are_removed() -> None:
    other = things.alias()
    report = replace(
        THINGS,
        select=select(things.c.id, func.lower(things.c.words).label("words")),
        sort="",
        filters={
            "length": Filter(func.length(things.c.words)),
            "twin": other.c.words,
            "whole": things.c.whole,
        },
    )
    assert set(mask_reports(with_pii(report, "words"))["things"].filters) == {"whole"}


LOWERED = select(things.c.id, func.lower(things.c.words).label("low")).subquery()
LETTERS = func.unnest(func.string_to_array(things.c.words, None)).table_valued("letter")
SAME_TABLE = Table(
    things.name, MetaData(), Column("words", String), Column("whole", Integer), schema="public"
)
WAYS_TO_READ_WORDS = {
    "subquery": LOWERED.c.low,
    "subquery of a subquery": select(LOWERED.c.low).subquery().c.low,
    "scalar subquery in a function": func.coalesce(select(func.max(things.c.words)).scalar_subquery(), ""),
    "lateral": select(func.lower(things.c.words).label("low")).lateral().c.low,
    "cte": select((things.c.words + "!").label("loud")).cte().c.loud,
    "table-valued function": LETTERS.c.letter,
    "alias of a table-valued function": LETTERS.alias().c.letter,
    "literal column": literal_column("lower(things.WORDS)", String),
    "column without a table": column("words", String),
    "text": text("SELECT words AS w FROM things").columns(column("w", String)).subquery().c.w,
    "another type": type_coerce(things.c.words, Text),
    "cast": cast(things.c.words, Text),
    "second Table object": SAME_TABLE.c.words,
    "union": union_all(select(things.c.mark), select(things.c.words)).subquery().c[0],
}


@pytest.mark.parametrize("way", WAYS_TO_READ_WORDS)
def test_no_way_of_declaring_a_filter_reads_a_masked_column(way: str) -> None:
    filters = {"words": Filter(cast(WAYS_TO_READ_WORDS[way], Text)), "whole": SAME_TABLE.c.whole}
    report = replace(THINGS, filters=filters)
    assert set(mask_reports(with_pii(report, "words"))["things"].filters) == {"whole"}
    assert set(mask_reports(with_pii(report, "day"))["things"].filters) == {"words", "whole"}


@pytest.mark.parametrize("rows", [things, things.alias()])
def test_a_filter_on_whole_rows_is_removed(rows: Any) -> None:
    filters = {"row": Filter(cast(func.row_to_json(rows.table_valued()), Text)), "whole": things.c.whole}
    report = replace(THINGS, filters=filters)
    assert set(mask_reports(with_pii(report, "words"))["things"].filters) == {"whole"}


@pytest.mark.parametrize("way", WAYS_TO_READ_WORDS)
def test_a_masked_column_is_recognized_in_every_form(way: str) -> None:
    masked = WAYS_TO_READ_WORDS[way].label("secret")
    report = replace(
        THINGS,
        select=select(things.c.id, masked),
        sort="",
        filters={"words": things.c.words, "whole": things.c.whole},
    )
    assert set(mask_reports(with_pii(report, "secret"))["things"].filters) == {"whole"}


def test_unmarked_columns_with_the_same_data_are_found() -> None:
    columns = [things.c.id, things.c.words, func.lower(things.c.words).label("lower_words"), things.c.whole]
    report = replace(THINGS, select=select(*columns), sort="", filters={})
    assert unmarked_columns(with_pii(report, "words")["things"]) == {"lowerWords": "words"}
    assert unmarked_columns(with_pii(report, "words", "lowerWords")["things"]) == {}
    assert unmarked_columns(with_pii(report, "id")["things"]) == {}


def test_the_samples_have_no_unmarked_columns() -> None:
    assert [unmarked_columns(report) for report in catalog(("flows.samples",)).values()] == [{}, {}]


@pytest.mark.parametrize(
    "change",
    [
        {"key": things.c.id},
        {"scope": {"shop": Scope(things.c.words, pattern=".*", known=things.c.words)}, "questions": None},
        {"period": things.c.day},
    ],
)
def test_a_report_with_a_masked_key_scope_or_period_is_hidden(change: dict[str, Any]) -> None:
    assert mask_reports(with_pii(replace(THINGS, **change), "id", "words", "day")) == {}


def test_questions_computed_from_a_masked_column_are_removed() -> None:
    questions = Questions(answers=things.c.extra, select=THINGS.questions.select, scope={})  # type: ignore[union-attr]
    report = replace(THINGS, questions=questions)
    assert mask_reports(with_pii(report, "extra"))["things"].questions is None
    assert mask_reports(with_pii(report, "words"))["things"].questions == report.questions


def test_questions_with_personal_data_are_removed() -> None:
    report = replace(THINGS, questions=replace(THINGS.questions, pii=True))  # type: ignore[type-var]
    masked = mask_reports({"things": report})["things"]
    assert masked.questions is None
    assert list(masked.table_columns) == list(THINGS.table_columns)


@pytest.mark.parametrize(("column", "title"), [("words", None), ("whole", things.c.words)])
def test_a_masked_title_is_removed_from_the_scope(column: str, title: Any) -> None:
    shop = replace(THINGS.scope["shop"], title=things.c.words)
    masked = mask_reports(with_pii(replace(THINGS, scope={"shop": shop}), column))["things"].scope["shop"]
    assert masked == replace(shop, title=title)


def test_a_transform_sees_masked_values() -> None:
    def transform(frame: Any) -> Any:
        seen.extend(frame["words"])
        return frame

    seen: list[Any] = []
    reports = mask_reports(with_pii(replace(THINGS, transform=transform), "words"))
    with things_snapshot([SECRET]) as snapshot:
        file_from_snapshot(snapshot, parse_request(BODY, reports))
    assert seen == ["***"]


def test_a_masked_request_has_its_own_fingerprint() -> None:
    for reports in (with_pii(THINGS, "words"), {"things": THINGS}):
        plain, masked = parse_request(BODY, reports), parse_request(BODY, mask_reports(reports))
        assert plain.fingerprint != masked.fingerprint


def test_the_included_reports_can_be_masked() -> None:
    assert {name: report.masked for name, report in mask_reports(catalog(("flows.samples",))).items()} == {
        "orders": frozenset({"customer"}),
        "survey-responses": frozenset({"respondentName", "respondentEmail"}),
    }


def test_a_grouped_report_keeps_its_groups() -> None:
    report = Report(
        name="things",
        title="Customers",
        select=select(customers.c.name.label("customer"), func.count().label("number"))
        .join_from(orders, customers)
        .group_by(customers.c.id, customers.c.name),
        key=customers.c.id,
    )
    sql = str(mask_reports(with_pii(report, "customer"))["things"].select)
    assert "CASE WHEN (customers.name IS NOT NULL)" in sql
    assert sql.endswith("GROUP BY customers.id, customers.name")


def test_a_masked_timestamp_is_null_and_keeps_its_time_zone() -> None:
    reports = with_pii(replace(THINGS, period=None, sort=""), "madeAt")
    expression = mask_reports(reports)["things"].table_columns["madeAt"].expression
    assert getattr(expression.type, "timezone", None) is True
    with things_snapshot([{"made_at": datetime(1815, 12, 10, tzinfo=UTC)}]) as snapshot:
        request = parse_request({"report": "things", "shop": "here"}, mask_reports(reports))
        assert b"1815" not in file_from_snapshot(snapshot, request)
