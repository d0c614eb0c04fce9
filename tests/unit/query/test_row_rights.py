"""Test that a report restricted by claims contains the allowed rows and no others."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, func, insert, select

from flows.errors import DeclarationError, InvalidRequest
from flows.query import statement
from flows.query.report import Choices, Report, Scope
from flows.query.request import parse_request
from flows.query.row_rights import (
    Claims,
    Rights,
    covers,
    intersect,
    parse_rights,
    restrict_report,
    session_settings,
)
from flows.sources.snapshot import Snapshot
from tests.support.sample_report import THINGS, things, things_snapshot

pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

BODY = {"report": "things", "shop": "here", "from": "2024-07-01", "to": "2024-07-31"}
SHOPS = replace(
    THINGS,
    scope={
        "shop": Scope(things.c.shop, "[a-z]+", known=things.c.shop, title=things.c.words, claim="shop"),
    },
)
CLAIMS = st.none() | st.dictionaries(
    st.sampled_from(["shop", "team", "other"]),
    st.frozensets(st.sampled_from(["a", "b", "c", "*"]), max_size=3),
    max_size=3,
)


def claims(**values: str | list[str]) -> Claims:
    return {name: frozenset([value] if isinstance(value, str) else value) for name, value in values.items()}


def ids(opened: Snapshot, report: Report, allowed: Claims | None, **changes: Any) -> list[int]:
    restricted = restrict_report(report, allowed)
    request = parse_request(BODY | changes, {"things": restricted})
    rows = opened.connection.execute(statement.rows(request, [things.c.id])).scalars().all()
    assert opened.scalar(statement.count(request)) == len(rows)
    return list(rows)


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("words", "north", "north"),
        ("whole", 7, "7"),
        ("large", 2**62 + 7, str(2**62 + 7)),
        ("price", Decimal("47.11"), "47.11"),
        ("yes", True, "true"),
        ("day", date(1915, 12, 10), "1915-12-10"),
        ("mark", UUID("899e1228-d7b8-40fc-8490-70e6f1efb338"), "899e1228-d7b8-40fc-8490-70e6f1efb338"),
        ("made_at", datetime(2024, 7, 2, tzinfo=UTC), "2024-07-02T00:00:00Z"),
    ],
)
def test_a_claim_restricts_a_column_of_every_type(column: str, value: Any, text: str) -> None:
    report = replace(THINGS, claims={"team": things.c[column]})
    with things_snapshot([{column: value}, {}, {"words": "south"}]) as opened:
        assert ids(opened, report, claims(team=text)) == [1]
        assert ids(opened, report, claims(team=[text, "not of this type"])) == [1]
        assert ids(opened, report, claims(team="not of this type")) == []
        assert ids(opened, report, claims(team=[])) == []
        assert ids(opened, report, claims(other=text)) == []
        assert len(ids(opened, report, claims(team="*"))) == 3
        assert len(ids(opened, report, None)) == 3


def test_exact_values_are_compared_exactly() -> None:
    report = replace(THINGS, claims={"team": things.c.price})
    large = Decimal("9007199254740993.00")
    clause = restrict_report(report, claims(team=str(large))).select.whereclause
    assert clause is not None
    assert clause.right.value == large  # type: ignore[attr-defined]


def test_a_scope_shows_allowed_values_only() -> None:
    with things_snapshot([{"shop": "a", "words": "A"}, {"shop": "b", "words": "B"}]) as opened:
        restricted = restrict_report(SHOPS, claims(shop="a"))
        choices = statement.scope_choices(restricted.scope["shop"], "", 10)
        assert opened.connection.execute(choices).all() == [("a", "A")]
        for shop, exists in [("a", True), ("b", False), ("z", False)]:
            request = parse_request(BODY | {"shop": shop}, {"things": restricted})
            row = opened.connection.execute(statement.scope_exists(request, "shop")).first()
            assert (row is not None) is exists
        assert ids(opened, SHOPS, claims(shop="a"), shop="b") == []


def test_a_scope_without_a_claim_shows_values_of_the_callers_rows_only() -> None:
    report = replace(
        SHOPS,
        scope={"shop": replace(SHOPS.scope["shop"], claim=None)},
        claims={"team": things.c.whole},
    )
    rows = [
        {"shop": "a", "words": "A", "whole": 1},
        {"shop": "b", "words": "B", "whole": 2},
        {"shop": "c", "words": "C"},
    ]
    with things_snapshot(rows) as opened:
        restricted = restrict_report(report, claims(team="2"))
        choices = statement.scope_choices(restricted.scope["shop"], "", 10)
        assert opened.connection.execute(choices).all() == [("b", "B")]


def test_a_grouped_report_counts_allowed_rows_only() -> None:
    calls = Table(
        "calls",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("caller", String, nullable=False),
        Column("team", String, nullable=False),
    )
    report = Report(
        name="calls",
        title="Calls",
        select=select(calls.c.caller, func.count(calls.c.id).label("calls")).group_by(calls.c.caller),
        key=calls.c.caller,
        scope={"team": Scope(calls.c.team, ".*", known=calls.c.team, title=calls.c.team)},
        claims={"caller": calls.c.caller},
    )
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        calls.create(connection)
        rows = [("ada", "x"), ("ada", "x"), ("bob", "x"), ("bob", "y")]
        connection.execute(insert(calls), [{"caller": caller, "team": team} for caller, team in rows])
        restricted = restrict_report(report, claims(caller="ada"))
        request = parse_request({"report": "calls", "team": "x"}, {"calls": restricted})
        columns = [column.expression for column in report.table_columns.values()]
        assert connection.execute(statement.rows(request, columns)).all() == [("ada", 2)]
        choices = statement.scope_choices(restricted.scope["team"], "", 10)
        assert set(connection.execute(choices).scalars()) == {"x"}
    engine.dispose()


def test_a_foreign_scope_has_no_questions() -> None:
    questions = Table("questions", MetaData(), Column("shop", String), Column("label", String))
    assert THINGS.questions is not None
    declared = select(questions.c.label, questions.c.label.label("b"), questions.c.label.label("c"))
    report = replace(
        SHOPS, questions=replace(THINGS.questions, select=declared, scope={"shop": questions.c.shop})
    )
    request = parse_request(BODY | {"shop": "b"}, {"things": restrict_report(report, claims(shop="a"))})
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        questions.create(connection)
        connection.execute(insert(questions), [{"shop": "b", "label": "What?"}])
        query = statement.questions(request)
        assert query is not None
        assert connection.execute(query).all() == []
    engine.dispose()


def test_a_foreign_scope_has_no_choices() -> None:
    known = Table("known_choices", MetaData(), Column("shop", String), Column("code", String))
    assert THINGS.questions is not None
    selected = select(known.c.code.label("question"), known.c.code, known.c.code.label("label"))
    choices = Choices(selected, {"shop": known.c.shop})
    report = replace(SHOPS, questions=replace(THINGS.questions, choices=choices))
    restricted = restrict_report(report, claims(shop="a"))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        known.create(connection)
        connection.execute(insert(known), [{"shop": shop, "code": shop} for shop in "ab"])
        for shop, visible in (("a", ["a"]), ("b", [])):
            request = parse_request(BODY | {"shop": shop, "codebook": True}, {"things": restricted})
            query = statement.choices(request)
            assert query is not None
            assert list(connection.execute(query).scalars()) == visible
    engine.dispose()


@pytest.mark.parametrize(
    ("body", "made_with", "allowed", "is_covered"),
    [
        ({"shop": "a"}, None, None, True),
        ({"shop": "a"}, None, claims(shop="a", team="*"), False),
        ({"shop": "a"}, claims(shop="a", team="x"), claims(shop="a", team="*"), True),
        ({"shop": "a"}, claims(shop="*", team="x"), claims(shop="a", team="x"), True),
        ({"shop": "b"}, claims(shop="b", team="x"), claims(shop="a", team="x"), False),
        ({"shop": "a"}, claims(shop="a", team=["x", "y"]), claims(shop="a", team="x"), False),
        ({"shop": "a"}, claims(shop="a", team="x"), claims(shop="a", team=["x", "y"]), True),
        ({"shop": "a"}, claims(shop="a"), claims(shop="a"), False),
        ({"shop": "a"}, claims(shop="a", team="x"), claims(team="x"), False),
        ({"shop": ["a"]}, claims(shop="a", team="x"), claims(shop="a", team="x"), False),
        ({}, claims(shop="a", team="x"), claims(shop="a", team="x"), False),
    ],
)
def test_claims_cover_an_export_whose_rows_they_allow(
    body: dict[str, Any], made_with: Claims | None, allowed: Claims | None, is_covered: bool
) -> None:
    report = replace(SHOPS, claims={"team": things.c.words})
    # An export that has no stored rights contains the rows of every team.
    expected = is_covered if made_with is not None or allowed is None else allowed["team"] == {"*"}
    assert covers(report, allowed, body, made_with) is expected


@given(CLAIMS, CLAIMS)
def test_an_intersection_allows_what_both_allow(one: Claims | None, other: Claims | None) -> None:
    both = intersect(one, other)
    for name in ("shop", "team", "other"):
        for value in ("a", "b", "c"):
            assert _allows(both, name, value) == (_allows(one, name, value) and _allows(other, name, value))


def _allows(values: Claims | None, name: str, value: str) -> bool:
    allowed = {"*"} if values is None else values.get(name, frozenset())
    return value in allowed or "*" in allowed


@given(CLAIMS, st.booleans(), st.none() | st.text())
def test_rights_survive_the_flow_parameter(values: Claims | None, from_key: bool, issuer: str | None) -> None:
    rights = Rights(values, from_key, issuer)
    assert parse_rights(rights.as_parameter()) == rights


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"claims": {"a": "b"}, "fromKey": True},
        {"claims": {}},
        {"claims": None, "fromKey": True, "issuer": 1},
    ],
)
def test_edited_rights_are_rejected(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_rights(value)


def test_requests_for_different_rows_have_different_fingerprints() -> None:
    report = replace(SHOPS, claims={"team": things.c.words})
    all_claims: list[Claims | None] = [
        None,
        claims(shop="*", team="x"),
        claims(shop="*", team=["x", "y"]),
        claims(shop="here", team="x"),
    ]
    reports = [restrict_report(report, allowed) for allowed in all_claims]
    prints = [parse_request(BODY, {"things": restricted}).fingerprint for restricted in reports]
    assert len(set(prints)) == 3
    assert prints[1] == prints[3]  # the request names the shop, so allowing more shops changes nothing


def test_session_settings_contain_the_allowed_values() -> None:
    report = replace(THINGS, session_claims={"app.teams": "team"})
    assert session_settings(report) == {"app.teams": '["*"]'}
    assert session_settings(restrict_report(report, claims(team=["y", "x"]))) == {"app.teams": '["x", "y"]'}
    assert session_settings(restrict_report(report, {})) == {"app.teams": "[]"}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"claims": {"team": Table("other", MetaData(), Column("team", String)).c.team}}, "does not contain"),
        ({"claims": {"team": things.c.extra}}, "cannot be compared"),
        ({"claims": {"team": "team"}}, "no column is named 'team'"),
        ({"session_claims": {"role": "team"}}, "must be a name such as"),
    ],
)
def test_a_declaration_that_restricts_nothing_is_rejected(parts: dict[str, Any], reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason):
        replace(THINGS, **parts)
