"""Test that a scheduled run shows its date range, both before and after it starts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from api.exports.flow_run_job import as_job

SLOT = datetime(2024, 3, 31, 7, tzinfo=UTC)
REQUEST = {"surveyId": "668b6fa3b8d693cd865b44bb"}


def scheduled_run(recurring: Any, request: Any = None, auto_scheduled: bool = True) -> FlowRun:
    return FlowRun(
        id=UUID(int=1),
        created=SLOT - timedelta(days=3),
        flow_id=UUID(int=2),
        state=Scheduled(scheduled_time=SLOT),
        expected_start_time=SLOT,
        auto_scheduled=auto_scheduled,
        parameters={"request": request or REQUEST, "recurring": recurring},
    )


def test_a_waiting_run_shows_the_dates_of_its_slot() -> None:
    recurring = {"range": {"kind": "relative", "preset": "yesterday"}, "timeZone": "Europe/Berlin"}
    assert as_job(scheduled_run(recurring), {}, 3).run.request == {
        **REQUEST,
        "timeZone": "Europe/Berlin",
        "from": "2024-03-30",
        "to": "2024-03-30",
    }


def test_a_since_last_run_shows_its_dates_once_they_are_known() -> None:
    recurring = {"range": {"kind": "since-last"}, "timeZone": "Europe/Berlin"}
    assert as_job(scheduled_run(recurring), {}, 3).run.request == REQUEST
    dated_request = {**REQUEST, "from": "2024-03-30T07:00:00Z", "to": "2024-03-31T07:00:00Z"}
    assert as_job(scheduled_run(recurring, dated_request), {}, 3).run.request == dated_request


def test_an_invalid_handwritten_request_is_shown_unchanged() -> None:
    assert as_job(scheduled_run({"range": "always"}), {}, 3).run.request == REQUEST
    assert as_job(scheduled_run([]), {}, 3).run.request["surveyId"] == REQUEST["surveyId"]


def test_a_planned_run_is_created_at_its_slot() -> None:
    assert as_job(scheduled_run({}), {}, 3).run.created_at == SLOT
    assert as_job(scheduled_run({}, auto_scheduled=False), {}, 3).run.created_at == SLOT - timedelta(days=3)
