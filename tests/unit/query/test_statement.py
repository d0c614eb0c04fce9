import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.query import statement
from flows.query.request import ExportRequest
from flows.rows.columns import Question
from flows.sources.snapshot import Snapshot
from tests.support.clock import NOON
from tests.support.sample_report import THINGS, things, things_request, things_snapshot

# SQLAlchemy warns that SQLite stores decimals as floats. This does not change the prices in these tests.
pytestmark = pytest.mark.filterwarnings("ignore:Dialect sqlite.pysqlite does .not. support Decimal")

QUESTIONS = [Question("q1", "Which?", False), Question("q2", "Which ones?", True)]


def ids(snapshot: Snapshot, request: ExportRequest) -> list[int]:
    row_ids = list(snapshot.connection.execute(statement.rows(request, [things.c.id])).scalars())
    assert snapshot.scalar(statement.count(request)) == len(row_ids)
    return row_ids


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"whole": 5}, [1, 2]),
        ({"whole": [5]}, [1, 2]),
        ({"whole": [5, 7]}, [1, 2, 3]),
        ({"whole": None}, [4]),
        ({"whole": [None, 7]}, [3, 4]),
        ({"whole": [None, 5, 7]}, [1, 2, 3, 4]),
        ({"whole": 6}, []),
        ({"words": ""}, [2]),
        ({"words": ["", None]}, [2, 3, 4]),
        ({"yes": True}, [1]),
        ({"yes": [True, False]}, [1, 2]),
        ({"price": 9.99}, [2]),
        ({"mark": "899E1228-d7b8-40fc-8490-70e6f1efb338"}, [3]),
        ({"day": "2024-7-1"}, [4]),
        ({"madeAt": "2024-07-19T14:00:00+02:00"}, [1, 2, 3, 4]),
        ({"madeAt": ["2024-07-19T14:00:00Z", "2024-07-19T15:00:00Z"]}, []),
        ({"madeAt": None}, []),
        ({"whole": 5, "yes": True}, [1]),
        ({"whole": 5, "words": None}, []),
        ({"whole": {"gte": 6}}, [3]),
        ({"whole": {"gt": 5, "lte": 7}}, [3]),
        ({"whole": {"not": 5}}, [3, 4]),
        ({"whole": {"not": [5, None]}}, [3]),
        ({"whole": {"null": False}}, [1, 2, 3]),
        ({"words": {"contains": "A"}}, [1]),
        ({"words": {"contains": "%"}}, []),
        ({"price": {"lt": 10}, "yes": {"not": True}}, [2]),
        ({"day": {"lt": "2024-7-2"}}, [4]),
        ({"madeAt": {"gte": "2024-07-19T14:00:00+02:00"}}, [1, 2, 3, 4]),
        ({"madeAt": {"gt": "2024-07-19T14:00:00+02:00"}}, []),
    ],
)
def test_filters_match_one_value_any_of_several_or_null(filters: dict[str, Any], expected: list[int]) -> None:
    rows: list[dict[str, Any]] = [
        {"whole": 5, "words": "wa", "yes": True},
        {"whole": 5, "words": "", "yes": False, "price": Decimal("9.99")},
        {"whole": 7, "mark": UUID("899e1228-d7b8-40fc-8490-70e6f1efb338")},
        {"day": datetime(2024, 7, 1, tzinfo=UTC).date()},
    ]
    with things_snapshot(rows) as snapshot:
        assert ids(snapshot, things_request(filters=filters)) == expected


def test_only_rows_of_the_scope_match() -> None:
    with things_snapshot([{}, {"shop": "there"}, {"shop": "Here"}]) as snapshot:
        assert ids(snapshot, things_request()) == [1]
        assert ids(snapshot, things_request(shop="there")) == [2]
        assert ids(snapshot, things_request(shop="nowhere")) == []


@pytest.mark.parametrize(("shop", "exists"), [("here", True), ("nowhere", False)])
def test_scope_exists_checks_the_column_of_known_ids(shop: str, exists: bool) -> None:
    with things_snapshot([{}]) as snapshot:
        row = snapshot.connection.execute(statement.scope_exists(things_request(shop=shop), "shop")).first()
        assert (row is not None) is exists


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"from": "2024-07-19", "to": "2024-07-19"}, [2, 3]),
        ({"from": "2024-07-18", "to": "2024-07-20"}, [1, 2, 3, 4]),
        ({"from": "2024-07-19T00:00:00Z", "to": "2024-07-19T23:59:59.999999Z"}, [2]),
        ({"from": "2024-07-19", "to": "2024-07-19", "timeZone": "Europe/Berlin"}, [1, 2]),
        ({"from": "2024-07-19T00:00:00+02:00", "to": "2024-07-19T02:00:00+02:00"}, [1]),
    ],
)
def test_the_period_includes_from_and_excludes_to(change: dict[str, str], expected: list[int]) -> None:
    midnight = datetime(2024, 7, 19, tzinfo=UTC)
    micro = timedelta(microseconds=1)
    timestamps = [
        midnight - micro,
        midnight,
        midnight + timedelta(days=1) - micro,
        midnight + timedelta(days=1),
    ]
    with things_snapshot([{"made_at": timestamp} for timestamp in timestamps]) as snapshot:
        assert ids(snapshot, things_request(**change)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("whole", [3, 1, 5, 2, 4]),
        ("-whole", [1, 5, 3, 2, 4]),
        ("whole,-id", [3, 5, 1, 4, 2]),
        ("-whole,-id", [5, 1, 3, 4, 2]),
        ("id", [1, 2, 3, 4, 5]),
        ("-id", [5, 4, 3, 2, 1]),
        (None, [1, 2, 3, 4, 5]),
    ],
)
def test_nulls_sort_last_and_the_key_breaks_ties(sort: str | None, expected: list[int]) -> None:
    with things_snapshot([{"whole": whole} for whole in (7, None, 5, None, 7)]) as snapshot:
        assert ids(snapshot, things_request(sort=sort)) == expected


VALUES = {
    "whole": st.none() | st.integers(-2, 2),
    "words": st.none() | st.sampled_from(["", "a", "B", "ä", "😀"]),
    "yes": st.none() | st.booleans(),
    "price": st.none() | st.sampled_from([Decimal("-1.50"), Decimal(0), Decimal("9.99")]),
    "rate": st.none() | st.sampled_from([-0.5, 0.0, 1e300]),
    "day": st.none() | st.dates(NOON.date(), NOON.date() + timedelta(days=2)),
    "made_at": st.integers(0, 2).map(lambda days: NOON + timedelta(days=days)),
}
SORT_KEYS = ["id", "whole", "words", "yes", "price", "rate", "day", "madeAt"]


@given(
    rows=st.lists(st.fixed_dictionaries(VALUES), max_size=9),
    keys=st.lists(st.sampled_from(SORT_KEYS), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=100)
def test_continuing_after_each_row_returns_every_row_once(
    rows: list[dict[str, Any]], keys: list[str], seed: int
) -> None:
    generator = random.Random(seed)  # noqa: S311 - not used for security
    request = things_request(sort=",".join(generator.choice(["", "-"]) + key for key in keys))
    terms = statement.order(request)
    with things_snapshot(rows) as snapshot:
        all_rows = statement.rows(request, [things.c.id, *statement.cursor_values(terms)])
        in_order = [row[0] for row in snapshot.connection.execute(all_rows)]
        backward = statement.rows(request, [things.c.id], backward=True)
        assert [*snapshot.connection.execute(backward).scalars()][::-1] == in_order
        visited: list[int] = []
        next_row = snapshot.connection.execute(all_rows.limit(1)).first()
        while next_row is not None:
            visited.append(next_row[0])
            rest = statement.rows_after(all_rows, terms, next_row[1:]).limit(1)
            next_row = snapshot.connection.execute(rest).first()
    assert visited == in_order
    assert sorted(visited) == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        (None, [*THINGS.table_columns, "answers.q1", "answers.q2"]),
        (["words", "id"], ["words", "id"]),
        (["answers", "id"], ["answers.q1", "answers.q2", "id"]),
        (["answers.q2", "id", "answers.q1"], ["answers.q2", "id", "answers.q1"]),
    ],
)
def test_output_columns_follow_the_request(columns: list[str] | None, keys: list[str]) -> None:
    output = statement.output_columns(things_request(columns=columns), QUESTIONS)
    assert [column.key for column in output] == keys


def test_a_transform_receives_the_output_columns_then_all_others() -> None:
    request = things_request(columns=["answers.q2", "id"])
    columns = statement.output_columns(request, QUESTIONS)
    assert statement.columns_to_read(request, columns, QUESTIONS) == columns
    transforming = replace(request, report=replace(request.report, transform=lambda frame: frame))
    read = [column.key for column in statement.columns_to_read(transforming, columns, QUESTIONS)]
    everything = [column.key for column in statement.output_columns(things_request(columns=None), QUESTIONS)]
    assert read[:2] == ["answers.q2", "id"]
    assert sorted(read) == sorted(everything)


def test_a_question_column_has_the_question_as_label() -> None:
    output = statement.output_columns(things_request(columns=["answers"]), QUESTIONS)
    assert [column.label for column in output] == ["Which?", "Which ones?"]


def test_an_unknown_question_is_named() -> None:
    with pytest.raises(KeyError, match=r"answers\.q3"):
        statement.output_columns(things_request(columns=["answers.q3"]), QUESTIONS)


def test_questions_keep_their_order() -> None:
    with things_snapshot([]) as snapshot:
        assert snapshot.questions(statement.questions(things_request())) == QUESTIONS
