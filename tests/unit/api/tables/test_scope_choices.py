"""Test searching for a scope's values by title."""

import pytest

from flows.query.report import Scope
from flows.query.statement import scope_choices
from tests.support.sample_report import things, things_snapshot

SHOPS = Scope(things.c.shop, pattern="[a-z]{1,20}", known=things.c.shop, title=things.c.words)
ROWS = [
    {"shop": "b", "words": "Baker 50%"},
    {"shop": "a", "words": "Butcher_s"},
    {"shop": "c", "words": "Baker 505"},
    {"shop": "z", "words": "Cobbler"},
    {"shop": "e", "words": "Épicerie"},
]


@pytest.mark.parametrize(
    ("search", "values"),
    [
        ("", ["b", "c", "a", "z", "e"]),
        ("éPI", ["e"]),
        ("bAkER", ["b", "c"]),
        ("50%", ["b"]),
        ("r_s", ["a"]),
        ("_", ["a"]),
        ("z", ["z"]),
        ("nothing", []),
    ],
)
def test_a_search_matches_titles_in_any_case_and_complete_values(search: str, values: list[str]) -> None:
    with things_snapshot(ROWS) as snapshot:
        rows = snapshot.connection.execute(scope_choices(SHOPS, search, 10)).all()
    assert [row[0] for row in rows] == values


def test_a_search_reads_at_most_its_limit() -> None:
    with things_snapshot(ROWS) as snapshot:
        assert len(snapshot.connection.execute(scope_choices(SHOPS, "", 2)).all()) == 2


def test_an_invalid_value_is_not_compared() -> None:
    """Comparing an invalid value with a column of numbers or UUIDs would raise an error."""
    assert " OR " not in str(scope_choices(SHOPS, "Baker 50", 1))
    assert " OR " in str(scope_choices(SHOPS, "baker", 1))
