"""Test how webhook deliveries appear in the delivery log of a schedule."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled

from api.schedules.delivery_log import as_delivery
from flows.errors import ReceiverRefused
from flows.runs.final_states import failed
from flows.webhooks.message import ANSWERED
from tests.support.clock import NOON

RUN = UUID("4f2d1c0a-9b8e-4d7f-8a6b-5c4d3e2f1a0b")
REFUSED = str(ReceiverRefused(ANSWERED.format(503)))


def run(state: State[Any], event: str = "export.done", **data: Any) -> FlowRun:
    return FlowRun(
        id=RUN,
        flow_id=UUID(int=1),
        created=NOON,
        start_time=NOON,
        run_count=2,
        state=state,
        next_scheduled_start_time=NOON + timedelta(seconds=20),
        parameters={
            "message": {"type": event, "data": {"id": "an export", **data}},
            "address": {"host": "hooks.example.com", "sealed": "gAAAAA-hush"},
            "caller": "ada",
        },
    )


@pytest.mark.parametrize(
    ("state", "status", "response", "code"),
    [
        (Scheduled(), "waiting", None, None),
        (Pending(), "waiting", None, None),
        (Running(), "sending", None, None),
        (Crashed(), "waiting", None, None),
        (AwaitingRetry(message=f"webhook.refused: {REFUSED}"), "waiting", 503, "webhook.refused"),
        (AwaitingRetry(message="webhook.timeout: No answer."), "waiting", None, "webhook.timeout"),
        (AwaitingRetry(message="Its worker was lost."), "waiting", None, None),
        (Completed(message=ANSWERED.format(204)), "delivered", 204, None),
        (failed("webhook.refused", REFUSED), "failed", 503, "webhook.refused"),
        (failed("worker.lost", "Lost."), "failed", None, "worker.lost"),
        (Failed(message="The flow raised an exception."), "failed", None, "internal"),
        (Failed(name="worker.lost", message="Lost."), "failed", None, "worker.lost"),  # from older versions
        (Cancelled(), "failed", None, "cancelled"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_run_state_maps_to_a_delivery_status(
    state: State[Any], status: str, response: int | None, code: str | None
) -> None:
    body = as_delivery(run(state)).model_dump(mode="json")
    assert (body["status"], body["responseStatus"]) == (status, response)
    assert (body["error"] and body["error"]["code"]) == code
    assert (body["nextAttemptAt"] is not None) is (state.type == StateType.SCHEDULED)


def test_a_delivery_shows_only_the_host() -> None:
    body = as_delivery(run(Running())).model_dump(mode="json")
    assert body["host"] == "hooks.example.com"
    assert "hush" not in str(body)
    assert body["id"] == "msg_4f2d1c0a9b8e4d7f8a6b5c4d3e2f1a0b"


def test_a_pause_names_the_export_that_caused_it() -> None:
    paused = run(Running(), event="schedule.paused", exportId="the last export")
    assert as_delivery(paused).export_id == "the last export"


def test_a_run_without_parameters_is_still_listed() -> None:
    bare = FlowRun(id=RUN, flow_id=UUID(int=1), state=Running())
    assert as_delivery(bare).model_dump(mode="json")["event"] == ""
