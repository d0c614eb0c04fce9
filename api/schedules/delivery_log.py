"""The delivery log: the runs of the flow that delivers webhooks, as their owner sees them."""

import re
from datetime import datetime
from typing import Any, cast

from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.exports.flow_run_job import owner_tag, schedule_tag
from api.prefect_server import JobServer
from api.schedules.delivery import Delivery, DeliveryStatus
from flows.runs import flow_names
from flows.runs.tags import WEBHOOK
from flows.webhooks.message import ANSWERED, message_id

FLOW = FlowFilter(name=FlowFilterName(any_=[flow_names.DELIVER]))
_ANSWER = re.compile(re.escape(ANSWERED).replace(r"\{\}", "([0-9]{3})"))
_REASON = re.compile(r"(?P<code>webhook\.[a-z]+): (?P<message>.*)", re.DOTALL)


class Deliveries:
    def __init__(self, server: JobServer) -> None:
        self._server = server

    async def page(
        self, schedule_id: str, caller: str, limit: int, start: int
    ) -> tuple[list[Delivery], int | None]:
        """Newest first, from number `start` on, and where the next page starts."""
        tags = FlowRunFilterTags(all_=[WEBHOOK, owner_tag(caller), schedule_tag(schedule_id)])
        async with self._server.answering():
            found = await self._server.client.read_flow_runs(
                flow_filter=FLOW,
                flow_run_filter=FlowRunFilter(tags=tags),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=limit + 1,
                offset=start,
            )
        more = len(found) > limit
        return [as_delivery(each) for each in found[:limit]], start + limit if more else None


def as_delivery(run: FlowRun) -> Delivery:
    parameters, state = run.parameters, run.state
    message = parameters.get("message") or {}
    data = message.get("data") or {}
    event = str(message.get("type") or "")
    told = (state.message if state is not None else None) or ""
    answer = _ANSWER.search(told)
    waits = state is not None and state.is_scheduled()
    return Delivery(
        id=message_id(run.id),
        event=event,
        export_id=data.get("exportId") if event.startswith("schedule.") else data.get("id"),
        host=str((parameters.get("address") or {}).get("host") or ""),
        status=_status(state.type if state is not None else None),
        attempt=run.run_count,
        response_status=int(answer[1]) if answer is not None else None,
        error=_error(state, told),
        created_at=cast("datetime | None", run.created),
        last_attempt_at=run.start_time and cast("datetime | None", state and state.timestamp),
        next_attempt_at=run.next_scheduled_start_time if waits else None,
    )


def _status(state_type: StateType | None) -> DeliveryStatus:
    if state_type == StateType.COMPLETED:
        return "delivered"
    if state_type in (StateType.FAILED, StateType.CANCELLED):
        return "failed"
    return "sending" if state_type == StateType.RUNNING else "waiting"  # a worker puts a crashed one back


def _error(state: State[Any] | None, told: str) -> tuple[str, str] | None:
    if state is not None and state.is_failed() and state.name is not None:
        return state.name, told
    if state is not None and state.is_cancelled():
        return "cancelled", "It was cancelled in Prefect."
    reason = _REASON.fullmatch(told)
    return (reason["code"], reason["message"]) if reason is not None else None
