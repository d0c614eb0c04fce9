"""What callers see of columns that are about a person, when they may not."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from api.tables.table_query import parse_table_query
from flows.errors import InvalidRequest
from flows.query.masking import mask_reports
from flows.query.report import Filter, Heading, Questions, Report, Scope
from flows.query.request import parse_request
from flows.reports import catalog
from flows.reports.orders import customers, orders
from tests.support.engines import framed_from
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
ASKED = {"report": "things", "shop": "here", "from": "2024-07-01", "to": "2024-07-31"}


def with_pii(report: Report, *keys: str) -> dict[str, Report]:
    return {report.name: replace(report, headings={key: Heading(pii=True) for key in keys})}


@pytest.mark.parametrize("key", SECRET)
def test_a_masked_value_is_nowhere_in_the_file_whatever_its_type(key: str) -> None:
    reports = with_pii(THINGS, key)
    with things_snapshot([SECRET, {}]) as taken:
        plain = framed_from(taken, parse_request(ASKED, reports)).decode()
        hidden = framed_from(taken, parse_request(ASKED, mask_reports(reports))).decode()
    place = [column.name for column in things.c if column.name not in ("shop", "answers")].index(key)
    shown = [line.split(",")[place] for line in hidden.splitlines()[1:]] if key != "extra" else ["", ""]
    assert shown == (["***", ""] if key == "words" else ["", ""])
    assert len(hidden.splitlines()) == len(plain.splitlines()) == 3
    assert len(hidden) < len(plain)


def test_columns_keep_their_names_types_and_order() -> None:
    before = THINGS.table_columns.values()
    after = mask_reports(with_pii(THINGS, *SECRET))["things"].table_columns.values()
    assert [(each.key, each.label, each.type) for each in before] == [
        (each.key, each.label, each.type) for each in after
    ]


@pytest.mark.parametrize("sort", ["words", "-words", "madeAt,words"])
def test_a_masked_column_is_not_sorted_by(sort: str) -> None:
    with pytest.raises(InvalidRequest, match="/sort: Cannot sort by 'words'"):
        parse_request({**ASKED, "sort": sort}, mask_reports(with_pii(THINGS, "words")))


@pytest.mark.parametrize("name", ["words", "size"])
def test_a_masked_column_is_not_filtered_by_under_any_name(name: str) -> None:
    reports = mask_reports(with_pii(THINGS, "words"))
    with pytest.raises(InvalidRequest, match=f"/filters/{name}: Unknown filter"):
        parse_request({**ASKED, "filters": {name: "a"}}, reports)
    with pytest.raises(InvalidRequest, match=f"/{name}: Unknown field"):
        parse_table_query([*ASKED.items(), (name, "a")], reports)


def test_other_columns_are_still_sorted_and_filtered_by() -> None:
    found = parse_request(
        {**ASKED, "sort": "-whole", "filters": {"yes": True}}, mask_reports(with_pii(THINGS, "words"))
    )
    assert found.filters == {"yes": (True,)}


def test_a_default_order_by_a_masked_column_is_none() -> None:
    report = replace(THINGS, sort="-words,madeAt")
    assert str(mask_reports(with_pii(report, "words"))["things"].default_sort[0]) == "madeAt"


def test_what_is_made_of_a_masked_column_counts_as_it() -> None:
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


@pytest.mark.parametrize(
    "found_by",
    [
        {"key": things.c.id},
        {"scope": {"shop": Scope(things.c.words, pattern=".*", known=things.c.words)}, "questions": None},
        {"period": things.c.day},
    ],
)
def test_a_report_whose_rows_are_found_by_a_masked_column_does_not_exist(found_by: dict[str, Any]) -> None:
    assert mask_reports(with_pii(replace(THINGS, **found_by), "id", "words", "day")) == {}


def test_questions_that_are_made_of_a_masked_column_do_not_exist() -> None:
    questions = Questions(answers=things.c.extra, select=THINGS.questions.select, scope={})  # type: ignore[union-attr]
    report = replace(THINGS, questions=questions)
    assert mask_reports(with_pii(report, "extra"))["things"].questions is None
    assert mask_reports(with_pii(report, "words"))["things"].questions is questions


def test_questions_about_a_person_do_not_exist() -> None:
    report = replace(THINGS, questions=replace(THINGS.questions, pii=True))  # type: ignore[type-var]
    hidden = mask_reports({"things": report})["things"]
    assert hidden.questions is None
    assert list(hidden.table_columns) == list(THINGS.table_columns)


@pytest.mark.parametrize(("column", "title"), [("words", None), ("whole", things.c.words)])
def test_values_are_not_listed_by_a_masked_title(column: str, title: Any) -> None:
    shop = replace(THINGS.scope["shop"], title=things.c.words)
    hidden = mask_reports(with_pii(replace(THINGS, scope={"shop": shop}), column))["things"].scope["shop"]
    assert hidden == replace(shop, title=title)


def test_a_hook_sees_masks_too() -> None:
    def told(frame: Any) -> Any:
        seen.extend(frame["words"])
        return frame

    seen: list[Any] = []
    reports = mask_reports(with_pii(replace(THINGS, transform=told), "words"))
    with things_snapshot([SECRET]) as taken:
        framed_from(taken, parse_request(ASKED, reports))
    assert seen == ["***"]


def test_a_request_with_masks_is_another_than_the_same_without() -> None:
    for reports in (with_pii(THINGS, "words"), {"things": THINGS}):
        plain, hidden = parse_request(ASKED, reports), parse_request(ASKED, mask_reports(reports))
        assert plain.fingerprint != hidden.fingerprint


def test_the_reports_that_come_along_can_be_masked() -> None:
    assert {name: report.masked for name, report in mask_reports(catalog()).items()} == {
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


def test_moments_of_a_masked_column_are_null_and_zoned_as_before() -> None:
    reports = with_pii(replace(THINGS, period=None, sort=""), "madeAt")
    found = mask_reports(reports)["things"].table_columns["madeAt"].expression
    assert getattr(found.type, "timezone", None) is True
    with things_snapshot([{"made_at": datetime(1815, 12, 10, tzinfo=UTC)}]) as taken:
        asked = parse_request({"report": "things", "shop": "here"}, mask_reports(reports))
        assert b"1815" not in framed_from(taken, asked)
