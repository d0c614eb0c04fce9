"""Test the parsing of Accept-Language and the language of API responses."""

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from api.tables.answers import report_type_answer
from api.tables.languages import parse_accept_language
from flows.query.report import Filter, Report, Scope

PLANES: Any = Table("planes", MetaData(), Column("id", Integer, primary_key=True), Column("seats", Integer))
SEATS: Any = {"en": "Seats", "de": "Sitze"}
TITLE: Any = {"en": "Planes", "de": "Flugzeuge"}


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("", ()),
        ("de", ("de",)),
        ("de-AT,de;q=0.9,en;q=0.8", ("de-AT", "de", "en")),
        ("en;q=0.5, de ; q = 0.9", ("de", "en")),
        ("en, de", ("en", "de")),
        ("de;q=0, en", ("en",)),
        ("*, fr;q=2, <script>, pt-BR", ("pt-BR",)),
        ("x" * 100_000, ()),
        (",".join(["de"] * 100_000), ("de",) * 20),
    ],
    ids=range(9),
)
def test_languages_are_ordered_by_weight(header: str, languages: tuple[str, ...]) -> None:
    assert parse_accept_language(header) == languages


@pytest.mark.parametrize(
    ("languages", "title", "label"), [((), "Planes", "Seats"), (("de",), "Flugzeuge", "Sitze")]
)
def test_a_report_is_described_in_the_language_of_the_request(
    languages: tuple[str, ...], title: str, label: str
) -> None:
    report = Report(
        name="planes",
        title=TITLE,
        select=PLANES,
        key=PLANES.c.id,
        scope={"size": Scope(PLANES.c.seats, label=SEATS)},
        filters={"seats": Filter(PLANES.c.seats, label=SEATS)},
        headings={"seats": SEATS},
    )
    answer = report_type_answer(report, languages)
    assert answer.title == title
    assert [answer.parameters[0].label, answer.filters[0].label, answer.columns[1].label] == [label] * 3
