"""Whoever was heard of is asked for, however many they are."""

import asyncio
from typing import Any, cast
from uuid import uuid4

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from deployments.warm_worker.backlog import MOST_OWNERS_ASKED, Backlog

NAMES = [f"owner {number}" for number in range(MOST_OWNERS_ASKED + 1)]


class BusyServer:
    """Everybody has a run that waits."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read_flow_runs(self, flow_run_filter: FlowRunFilter, **_: Any) -> list[FlowRun]:
        if flow_run_filter.tags is None:
            return []
        (tag,) = flow_run_filter.tags.all_ or []
        self.asked.append(tag.removeprefix("owner:"))
        return [FlowRun(flow_id=uuid4(), work_queue_id=uuid4(), tags=[tag, "report:orders"])]


def test_nobody_is_asked_for_twice_before_everybody_was_once() -> None:
    server = BusyServer()
    backlog = Backlog(cast("Any", server), "pool", "worker", {}, 5)
    backlog.heard_of(NAMES)
    seen = WorkerFlowRunResponse(
        work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=FlowRun(flow_id=uuid4())
    )
    for _ in range(2):
        asyncio.run(backlog.next_runs([seen], lambda: 4))
    assert set(server.asked[: len(NAMES)]) == set(NAMES)
