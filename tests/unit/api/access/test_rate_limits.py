"""Test the limits on the number of exports that one caller can start."""

from dataclasses import dataclass

import pytest

from api.access.rate_limits import Admission, Entry, LimitReached, Quota, Rate, Throttle


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def new_admission(clock: Seconds, queued: int = 50, per_second: float = 1.0, burst: int = 10) -> Admission:
    throttle = Throttle(Rate(per_second, burst), clock, "Too many exports started.")
    return Admission(Quota.of_waiting_exports(queued), throttle)


def start(admission: Admission, caller: str = "ada", queued: int = 0) -> LimitReached | None:
    with admission.entry(caller) as entry:
        refusal = admission.refusal(entry, caller, queued)
        entry.started = refusal is None
    return refusal


def test_a_burst_is_admitted_and_the_next_start_waits(clock: Seconds) -> None:
    admission = new_admission(clock)
    assert [start(admission) for _ in range(10)] == [None] * 10
    refusal = start(admission)
    assert refusal is not None
    assert (refusal.code, refusal.retry_seconds) == ("limit.rate", 1)


def test_a_start_is_admitted_after_the_stated_wait(clock: Seconds) -> None:
    admission = new_admission(clock, per_second=0.3, burst=1)
    assert start(admission) is None
    refusal = start(admission)
    assert refusal is not None
    clock.now += refusal.retry_seconds
    assert start(admission) is None


def test_a_bucket_fills_up_to_its_burst(clock: Seconds) -> None:
    admission = new_admission(clock, burst=3)
    for _ in range(3):
        start(admission)
    clock.now += 3600
    assert admission.throttle.left("ada") == 3
    assert [start(admission) is None for _ in range(4)] == [True, True, True, False]


def test_each_caller_has_a_bucket(clock: Seconds) -> None:
    admission = new_admission(clock, burst=1)
    assert start(admission, "ada") is None
    assert start(admission, "ada") is not None
    assert start(admission, "bob") is None


def _let_in_without_prefect(admission: Admission, entry: Entry) -> None:
    assert admission.refusal(entry, "ada", 0) is None
    raise OSError("Prefect is away")


def test_a_failed_start_costs_nothing(clock: Seconds) -> None:
    admission = new_admission(clock, burst=1)
    with admission.entry("ada") as entry:
        assert admission.refusal(entry, "ada", 0) is None  # An earlier job is returned instead of a new one.
    with pytest.raises(OSError, match="Prefect"), admission.entry("ada") as entry:
        _let_in_without_prefect(admission, entry)
    assert start(admission) is None


@pytest.mark.parametrize(("waiting", "let_in"), [(0, True), (49, True), (50, False), (51, False)])
def test_a_full_queue_rejects_starts(clock: Seconds, waiting: int, let_in: bool) -> None:
    refusal = start(new_admission(clock), queued=waiting)
    assert (refusal is None) == let_in
    if refusal is not None:
        assert (refusal.code, refusal.retry_seconds) == ("limit.queued", 5)


def test_a_start_rejected_by_a_full_queue_takes_no_token(clock: Seconds) -> None:
    admission = new_admission(clock)
    start(admission, queued=50)
    assert admission.throttle.left("ada") == 10


def test_starts_in_progress_count_as_waiting(clock: Seconds) -> None:
    admission = new_admission(clock, queued=2)
    with admission.entry("ada") as first, admission.entry("ada") as second, admission.entry("ada") as third:
        assert admission.refusal(third, "ada", 0) is not None
        assert admission.refusal(first, "ada", 0) is None
        assert admission.refusal(second, "ada", 0) is None
        with admission.entry("bob") as bobs:
            assert admission.refusal(bobs, "bob", 0) is None
    assert start(admission, queued=1) is None


def test_a_start_that_ends_during_the_count_of_another_still_counts(clock: Seconds) -> None:
    admission = new_admission(clock, queued=1)
    with admission.entry("ada") as first:
        second = admission.entry("ada")
        entry = second.__enter__()
        counted = 0  # counted before the first start ended
        assert admission.refusal(first, "ada", 0) is None
        first.started = True
    assert admission.refusal(entry, "ada", counted) is not None
    second.__exit__(None, None, None)


def test_idle_callers_take_no_memory(clock: Seconds) -> None:
    rate = Rate(per_second=1.0, burst=10)
    for number in range(5_000):
        clock.now += 1
        rate.take(f"caller {number}", clock.now)
    assert len(rate._buckets) <= 11


def test_throttles_that_share_a_rate_share_its_tokens(clock: Seconds) -> None:
    rate = Rate(per_second=1.0, burst=2)
    exports, schedules = (
        Throttle(rate, clock, text) for text in ("Too many exports.", "Too many schedules.")
    )
    exports.spend("ada")
    schedules.spend("ada")
    with pytest.raises(LimitReached, match=r"Too many exports\. Try again in 1 second\.") as refused:
        exports.spend("ada")
    assert refused.value.code == "limit.rate"
    schedules.spend("bob")


def test_a_caller_with_all_allowed_schedules_may_not_create_another(clock: Seconds) -> None:
    throttle = Throttle(Rate(per_second=1.0, burst=10), clock, "Too many schedules.")
    schedules = Admission(Quota.of_schedules(3), throttle)
    assert start(schedules, queued=2) is None
    refusal = start(schedules, queued=3)
    assert refusal is not None
    assert refusal.code == "limit.schedules"
    assert throttle.left("ada") == 9
