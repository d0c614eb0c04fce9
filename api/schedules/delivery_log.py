"""List a schedule's webhook deliveries. Each delivery is a run of the flow that sends webhooks."""

import re
from datetime import datetime
from typing import Any, Literal, cast

from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.access.caller import Caller
from api.exports.flow_run_job import owner_tag, schedule_tag
from api.exports.run_reader import MAX_PER_READ, RunReader
from api.prefect_server import JobServer
from api.schedules.answers import Delivery, RunFailure
from flows.runs import flow_names
from flows.runs.outcome import code_and_message
from flows.runs.tags import WEBHOOK
from flows.webhooks.message import ANSWERED, message_id

FLOW = FlowFilter(name=FlowFilterName(any_=[flow_names.DELIVER]))
_RESPONSE = re.compile(re.escape(ANSWERED).replace(r"\{\}", "([0-9]{3})"))
_REASON = re.compile(r"(?P<code>webhook\.[a-z]+): (?P<message>.*)", re.DOTALL)


class DeliveryLog:
    def __init__(self, server: JobServer, reader: RunReader) -> None:
        self._server, self._reader = server, reader

    async def page(
        self, schedule_id: str, caller: Caller, limit: int, offset: int
    ) -> tuple[list[Delivery], int | None]:
        """Return a page of deliveries, newest first, and the offset of the next page.

        The offset is None on the last page.
        """
        deliveries: list[Delivery] = []
        while True:
            block = await self._read(schedule_id, caller, offset)
            covered = await self._covered_exports(block, caller)
            for delivery in block:
                if covered is None or delivery.export_id in covered:
                    if len(deliveries) == limit:
                        return deliveries, offset
                    deliveries.append(delivery)
                offset += 1
            if len(block) < MAX_PER_READ:
                return deliveries, None

    async def _covered_exports(self, block: list[Delivery], caller: Caller) -> set[str] | None:
        """Return the ids of the exports that the caller may access, or None if access is not limited.

        The schedule may have been changed, so access to it does not imply access to its earlier exports.
        """
        if not caller.is_limited:
            return None
        ids = {delivery.export_id for delivery in block if delivery.export_id is not None}
        return await self._reader.covered(sorted(ids), caller)

    async def _read(self, schedule_id: str, caller: Caller, offset: int) -> list[Delivery]:
        tags = FlowRunFilterTags(all_=[WEBHOOK, owner_tag(caller.name), schedule_tag(schedule_id)])
        async with self._server.answering():
            runs = await self._server.client.read_flow_runs(
                flow_filter=FLOW,
                flow_run_filter=FlowRunFilter(tags=tags),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=MAX_PER_READ,
                offset=offset,
            )
        return [as_delivery(run) for run in runs]


def as_delivery(run: FlowRun) -> Delivery:
    parameters, state = run.parameters, run.state
    message = parameters.get("message") or {}
    data = message.get("data") or {}
    event = str(message.get("type") or "")
    state_message = (state.message if state is not None else None) or ""
    response = _RESPONSE.search(state_message)
    is_waiting = state is not None and state.is_scheduled()
    return Delivery(
        id=message_id(run.id),
        event=event,
        export_id=data.get("exportId") if event.startswith("schedule.") else data.get("id"),
        host=str((parameters.get("address") or {}).get("host") or ""),
        status=_status(state.type if state is not None else None),
        attempt=run.run_count,
        response_status=int(response[1]) if response is not None else None,
        error=_error(state, state_message),
        created_at=cast("datetime | None", run.created),
        last_attempt_at=run.start_time and cast("datetime | None", state and state.timestamp),
        next_attempt_at=run.next_scheduled_start_time if is_waiting else None,
    )


def _status(state_type: StateType | None) -> Literal["waiting", "sending", "delivered", "failed"]:
    if state_type == StateType.COMPLETED:
        return "delivered"
    if state_type in (StateType.FAILED, StateType.CANCELLED):
        return "failed"
    return "sending" if state_type == StateType.RUNNING else "waiting"  # workers retry crashed runs


def _error(state: State[Any] | None, message: str) -> RunFailure | None:
    if state is not None and state.is_failed():
        code, text = code_and_message(state.name or "", message)
        return RunFailure(code=code or "internal", message=text)
    if state is not None and state.is_cancelled():
        return RunFailure(code="cancelled", message="The delivery was cancelled in Prefect.")
    reason = _REASON.fullmatch(message)
    return RunFailure(code=reason["code"], message=reason["message"]) if reason is not None else None
