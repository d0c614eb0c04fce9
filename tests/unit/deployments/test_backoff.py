import pytest

from deployments.command_line.backoff import Backoff, parse_retry_after
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def backoff(clock: Clock, seconds: float) -> Backoff:
    return Backoff(seconds, lambda: clock.now.timestamp())


def test_pauses_double_up_to_ten_seconds(clock: Clock) -> None:
    retries = backoff(clock, 1000)
    assert [retries.pause_after_failure() for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_no_pause_ends_after_the_timeout(clock: Clock) -> None:
    retries = backoff(clock, 3)
    assert retries.pause_after_failure() == 0.5
    clock.move(seconds=2.5)
    assert retries.pause_after_failure() is None


def test_the_timeout_starts_at_the_first_failure(clock: Clock) -> None:
    retries = backoff(clock, 3)
    clock.move(seconds=20)  # Simulates a long poll.
    assert retries.pause_after_failure() == 0.5


def test_a_success_restarts_the_timeout(clock: Clock) -> None:
    retries = backoff(clock, 3)
    assert retries.pause_after_failure() == 0.5
    clock.move(seconds=10)
    retries.reset()
    assert retries.pause_after_failure() == 0.5


def test_retry_after_replaces_the_pause_unless_it_exceeds_the_timeout(clock: Clock) -> None:
    retries = backoff(clock, 30)
    assert retries.pause_after_failure(7.0) == 7.0
    assert retries.pause_after_failure(31.0) is None


def test_a_rate_limit_may_take_longer_than_the_timeout(clock: Clock) -> None:
    retries = backoff(clock, 3)
    assert retries.pause_after_rate_limit(60.0) == 60.0
    clock.move(seconds=60)
    assert retries.pause_after_rate_limit(60.0) == 60.0
    assert retries.pause_after_failure() == 0.5, "a later failure gets the full timeout"


def test_a_rate_limit_without_a_usable_retry_after_backs_off(clock: Clock) -> None:
    retries = backoff(clock, 3)
    assert retries.pause_after_rate_limit(0.0) == 0.5
    clock.move(seconds=10)
    assert retries.pause_after_rate_limit(None) == 0.5
    clock.move(seconds=10)
    assert retries.pause_after_rate_limit(None) is None


def test_limited_rate_waits_respect_the_timeout(clock: Clock) -> None:
    limited = Backoff(5, lambda: clock.now.timestamp(), limit_rate_waits=True)
    assert limited.pause_after_rate_limit(60.0) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_parsed_only_as_whole_seconds(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text) == seconds
