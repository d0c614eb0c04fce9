"""Whose run the worker takes next."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from deployments.warm_worker.fair_share import in_turn, owner_of


@dataclass(frozen=True)
class Due:
    number: int
    owner: str | None
    queue: str = "default"


def due(owners: str, queue: str = "default", start: int = 0) -> list[Due]:
    """One of each owner named, in this order; `-` is nobody's."""
    names = [None if name == "-" else name for name in owners]
    return [Due(number, name, queue) for number, name in enumerate(names, start)]


def taken(waiting: list[Due], running: str = "", limit: int = 5, slots: int = 100) -> str:
    chosen = in_turn(waiting, lambda each: each.owner, lambda each: each.queue, list(running), limit, slots)
    return "".join(each.owner or "-" for each in chosen)


def test_callers_take_turns_whoever_came_first() -> None:
    assert taken(due("AAAAAABC"), slots=4) == "ABCA"


def test_the_one_of_another_goes_before_the_next_of_who_runs_already() -> None:
    assert taken(due("A" * 200 + "B"), running="AAA", slots=1) == "B"


def test_among_equals_the_oldest_goes_first() -> None:
    assert taken(due("BAAB"), slots=3) == "BAA"


def test_nobody_gets_more_than_their_limit_even_if_slots_stay_free() -> None:
    assert taken(due("AAAAAAAB"), running="AA", limit=3) == "BA"


def test_runs_of_nobody_have_no_limit_and_a_turn_like_anybodys() -> None:
    assert taken(due("AAA---"), limit=1) == "A---"


def test_a_queue_with_a_higher_priority_goes_first() -> None:
    assert taken([*due("AA", "urgent"), *due("BB", start=2)], slots=3) == "AAB"


owners = st.text(alphabet="ABC-", max_size=30)


@given(owners, st.text(alphabet="ABC", max_size=12), st.integers(1, 6), st.integers(0, 12))
def test_whatever_waits_slots_are_used_and_limits_kept(
    waiting: str, running: str, limit: int, slots: int
) -> None:
    chosen = taken(due(waiting), running, limit, slots)
    for name in "ABC":
        assert chosen.count(name) <= max(0, limit - running.count(name))
    left = [name for name in "ABC" if (running + chosen).count(name) < limit]
    if len(chosen) < slots:
        assert all(waiting.count(name) == chosen.count(name) for name in [*left, "-"])


def test_only_an_export_has_an_owner() -> None:
    assert owner_of(["report:orders", "owner:ada", "request:1"]) == "ada"
    assert owner_of(["owner:ada"]) is None
    assert owner_of(["report:orders"]) is None
    assert owner_of([]) is None
