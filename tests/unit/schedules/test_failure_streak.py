import pytest

from flows.schedules.failure_streak import AutoPause, RunResult, count_failures, parse_auto_pause

PAUSED = AutoPause(
    "2026-11-30T08:00:00+00:00", "2026-11-01T08:00:00+00:00", 3, "an id", "internal", "It failed."
)


@pytest.mark.parametrize(
    ("ends", "failures"),
    [
        ([], 0),
        (["done"], 0),
        (["failed", "failed", "failed"], 3),
        (["failed", "failed", "done", "failed"], 2),
        (["done", "failed", "failed", "failed"], 0),
        (["failed", "other", "failed", "other", "failed"], 3),
    ],
)
def test_scheduled_failures_since_the_last_success_count(ends: list[RunResult], failures: int) -> None:
    assert count_failures(ends) == failures


def test_a_stored_pause_can_be_parsed() -> None:
    assert parse_auto_pause(PAUSED.as_parameter()) == PAUSED


@pytest.mark.parametrize("value", [[], {}, "yes", PAUSED.as_parameter() | {"failures": "3"}])
def test_an_invalid_stored_pause_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="must have"):
        parse_auto_pause(value)


def test_the_reason_contains_the_last_error_and_what_to_do() -> None:
    body = PAUSED.as_body()
    assert body["error"] == {"code": "internal", "message": "It failed."}
    assert "since" not in body
    assert body["detail"] == "The last 3 scheduled runs failed. Enable the schedule to resume it."
