"""Limits on the starts of one caller."""

from dataclasses import dataclass

import pytest

from api.access.rate_limits import Admission, Entry, LimitReached, Rate


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def admission(clock: Seconds, queued: int = 50, per_second: float = 1.0, burst: int = 10) -> Admission:
    return Admission(queued, Rate(per_second, burst), clock)


def start(admission: Admission, caller: str = "ada", queued: int = 0) -> LimitReached | None:
    with admission.entry(caller) as entry:
        refusal = admission.refusal(entry, caller, queued)
        entry.started = refusal is None
    return refusal


def test_a_burst_is_admitted_and_the_next_start_waits(clock: Seconds) -> None:
    found = admission(clock)
    assert [start(found) for _ in range(10)] == [None] * 10
    refusal = start(found)
    assert refusal is not None
    assert (refusal.code, refusal.retry_seconds) == ("limit.rate", 1)


def test_a_start_is_admitted_after_the_stated_wait(clock: Seconds) -> None:
    found = admission(clock, per_second=0.3, burst=1)
    assert start(found) is None
    refusal = start(found)
    assert refusal is not None
    clock.now += refusal.retry_seconds
    assert start(found) is None


def test_a_bucket_fills_up_to_its_burst(clock: Seconds) -> None:
    found = admission(clock, burst=3)
    for _ in range(3):
        start(found)
    clock.now += 3600
    assert found.starts_left("ada") == 3
    assert [start(found) is None for _ in range(4)] == [True, True, True, False]


def test_each_caller_has_a_bucket(clock: Seconds) -> None:
    found = admission(clock, burst=1)
    assert start(found, "ada") is None
    assert start(found, "ada") is not None
    assert start(found, "bob") is None


def _let_in_without_prefect(found: Admission, entry: Entry) -> None:
    assert found.refusal(entry, "ada", 0) is None
    raise OSError("Prefect is away")


def test_a_failed_start_costs_nothing(clock: Seconds) -> None:
    found = admission(clock, burst=1)
    with found.entry("ada") as entry:
        assert found.refusal(entry, "ada", 0) is None  # and an earlier job answered
    with pytest.raises(OSError, match="Prefect"), found.entry("ada") as entry:
        _let_in_without_prefect(found, entry)
    assert start(found) is None


@pytest.mark.parametrize(("waiting", "let_in"), [(0, True), (49, True), (50, False), (51, False)])
def test_a_full_queue_refuses_starts(clock: Seconds, waiting: int, let_in: bool) -> None:
    refusal = start(admission(clock), queued=waiting)
    assert (refusal is None) == let_in
    if refusal is not None:
        assert (refusal.code, refusal.retry_seconds) == ("limit.queued", 5)


def test_a_start_refused_by_a_full_queue_takes_no_token(clock: Seconds) -> None:
    found = admission(clock)
    start(found, queued=50)
    assert found.starts_left("ada") == 10


def test_starts_in_progress_count_as_waiting(clock: Seconds) -> None:
    found = admission(clock, queued=2)
    with found.entry("ada") as first, found.entry("ada") as second, found.entry("ada") as third:
        assert found.refusal(third, "ada", 0) is not None
        assert found.refusal(first, "ada", 0) is None
        assert found.refusal(second, "ada", 0) is None
        with found.entry("bob") as bobs:
            assert found.refusal(bobs, "bob", 0) is None
    assert start(found, queued=1) is None


def test_a_start_that_ends_while_another_counts_the_queue_still_counts(clock: Seconds) -> None:
    found = admission(clock, queued=1)
    with found.entry("ada") as first:
        second = found.entry("ada")
        entry = second.__enter__()
        counted = 0  # before the first one is made
        assert found.refusal(first, "ada", 0) is None
        first.started = True
    assert found.refusal(entry, "ada", counted) is not None
    second.__exit__(None, None, None)


def test_idle_callers_take_no_memory(clock: Seconds) -> None:
    rate = Rate(per_second=1.0, burst=10)
    for number in range(5_000):
        clock.now += 1
        rate.take(f"caller {number}", clock.now)
    assert len(rate._buckets) <= 11
