import pytest

from deployments.command_line.backoff import Patience, told_pause
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def patience(clock: Clock, seconds: float) -> Patience:
    return Patience(seconds, lambda: clock.now.timestamp())


def test_pauses_double_up_to_ten_seconds(clock: Clock) -> None:
    patient = patience(clock, 1000)
    assert [patient.pause_seconds() for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_pause_that_would_end_too_late_is_not_made(clock: Clock) -> None:
    patient = patience(clock, 3)
    assert patient.pause_seconds() == 0.5
    clock.move(seconds=2.5)
    assert patient.pause_seconds() is None


def test_time_counts_from_the_first_failure(clock: Clock) -> None:
    patient = patience(clock, 3)
    clock.move(seconds=20)  # of a long poll
    assert patient.pause_seconds() == 0.5


def test_a_sign_of_life_renews_it(clock: Clock) -> None:
    patient = patience(clock, 3)
    assert patient.pause_seconds() == 0.5
    clock.move(seconds=10)
    patient.renew()
    assert patient.pause_seconds() == 0.5


def test_what_the_service_told_is_obeyed_or_given_up(clock: Clock) -> None:
    patient = patience(clock, 30)
    assert patient.pause_seconds(7.0) == 7.0
    assert patient.pause_seconds(31.0) is None


def test_a_turn_is_waited_for_however_long_it_takes(clock: Clock) -> None:
    patient = patience(clock, 3)
    assert patient.turn_seconds(60.0) == 60.0
    clock.move(seconds=60)
    assert patient.turn_seconds(60.0) == 60.0
    assert patient.pause_seconds() == 0.5, "what fails afterwards has all its time"


def test_a_service_that_names_no_turn_or_a_turn_at_once_is_not_hammered(clock: Clock) -> None:
    patient = patience(clock, 3)
    assert patient.turn_seconds(0.0) == 0.5
    clock.move(seconds=10)
    assert patient.turn_seconds(None) == 0.5
    clock.move(seconds=10)
    assert patient.turn_seconds(None) is None


def test_who_is_in_a_hurry_waits_for_no_turn(clock: Clock) -> None:
    hurried = Patience(5, lambda: clock.now.timestamp(), hurried=True)
    assert hurried.turn_seconds(60.0) is None


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
def test_retry_after_is_read_when_it_is_a_number_of_seconds(text: str | None, seconds: float | None) -> None:
    assert told_pause(text) == seconds
