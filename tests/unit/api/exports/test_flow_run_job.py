"""A run of a recurring export tells its days before it has begun, and after."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from api.exports.flow_run_job import as_job

SLOT = datetime(2024, 3, 31, 7, tzinfo=UTC)
REQUEST = {"surveyId": "668b6fa3b8d693cd865b44bb"}


def planned(recurring: Any, request: Any = None, auto_scheduled: bool = True) -> FlowRun:
    return FlowRun(
        id=UUID(int=1),
        created=SLOT - timedelta(days=3),
        flow_id=UUID(int=2),
        state=Scheduled(scheduled_time=SLOT),
        expected_start_time=SLOT,
        auto_scheduled=auto_scheduled,
        parameters={"request": request or REQUEST, "recurring": recurring},
    )


def test_a_run_that_waits_shows_the_days_of_its_slot() -> None:
    recurring = {"range": {"kind": "relative", "preset": "yesterday"}, "timeZone": "Europe/Berlin"}
    assert as_job(planned(recurring), {}, 3).run.request == {
        **REQUEST,
        "timeZone": "Europe/Berlin",
        "from": "2024-03-30",
        "to": "2024-03-30",
    }


def test_a_run_since_the_last_one_shows_its_days_only_when_they_are_known() -> None:
    recurring = {"range": {"kind": "since-last"}, "timeZone": "Europe/Berlin"}
    assert as_job(planned(recurring), {}, 3).run.request == REQUEST
    known = {**REQUEST, "from": "2024-03-30T07:00:00Z", "to": "2024-03-31T07:00:00Z"}
    assert as_job(planned(recurring, known), {}, 3).run.request == known


def test_what_was_written_by_hand_wrongly_is_shown_as_it_is() -> None:
    assert as_job(planned({"range": "always"}), {}, 3).run.request == REQUEST
    assert as_job(planned([]), {}, 3).run.request["surveyId"] == REQUEST["surveyId"]


def test_a_planned_run_becomes_a_job_at_its_time() -> None:
    assert as_job(planned({}), {}, 3).run.created_at == SLOT
    assert as_job(planned({}, auto_scheduled=False), {}, 3).run.created_at == SLOT - timedelta(days=3)
