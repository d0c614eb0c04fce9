"""Test the fair selection of the next runs."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from deployments.warm_worker.fair_share import find_owner, select_fairly


@dataclass(frozen=True)
class Due:
    number: int
    owner: str | None
    queue: str = "default"


def due(owners: str, queue: str = "default", start: int = 0) -> list[Due]:
    """Return one run per character of `owners`. The character is the run's owner, or `-` for no owner."""
    names = [None if name == "-" else name for name in owners]
    return [Due(number, name, queue) for number, name in enumerate(names, start)]


def selected(waiting: list[Due], running: str = "", limit: int = 5, slots: int = 100) -> str:
    runs = select_fairly(waiting, lambda run: run.owner, lambda run: run.queue, list(running), limit, slots)
    return "".join(run.owner or "-" for run in runs)


def test_callers_take_turns() -> None:
    assert selected(due("AAAAAABC"), slots=4) == "ABCA"


def test_an_owner_without_running_runs_goes_first() -> None:
    assert selected(due("A" * 200 + "B"), running="AAA", slots=1) == "B"


def test_with_equal_counts_the_oldest_run_goes_first() -> None:
    assert selected(due("BAAB"), slots=3) == "BAA"


def test_the_limit_holds_even_if_slots_stay_free() -> None:
    assert selected(due("AAAAAAAB"), running="AA", limit=3) == "BA"


def test_runs_without_an_owner_take_turns_but_have_no_limit() -> None:
    assert selected(due("AAA---"), limit=1) == "A---"


def test_a_queue_with_a_higher_priority_goes_first() -> None:
    assert selected([*due("AA", "urgent"), *due("BB", start=2)], slots=3) == "AAB"


owners = st.text(alphabet="ABC-", max_size=30)


@given(owners, st.text(alphabet="ABC", max_size=12), st.integers(1, 6), st.integers(0, 12))
def test_slots_are_used_and_limits_hold(waiting: str, running: str, limit: int, slots: int) -> None:
    owners_selected = selected(due(waiting), running, limit, slots)
    for name in "ABC":
        assert owners_selected.count(name) <= max(0, limit - running.count(name))
    below_limit = [name for name in "ABC" if (running + owners_selected).count(name) < limit]
    if len(owners_selected) < slots:
        assert all(waiting.count(name) == owners_selected.count(name) for name in [*below_limit, "-"])


def test_only_exports_have_an_owner() -> None:
    assert find_owner(["report:orders", "owner:ada", "request:1"]) == "ada"
    assert find_owner(["owner:ada"]) is None
    assert find_owner(["report:orders"]) is None
    assert find_owner([]) is None
