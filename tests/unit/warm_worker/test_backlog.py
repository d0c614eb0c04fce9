"""Test that the backlog queries every waiting owner, even if there are many."""

import asyncio
from typing import Any, cast
from uuid import uuid4

from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from deployments.warm_worker.backlog import MAX_OWNERS_PER_QUERY, Backlog

NAMES = [f"owner {number}" for number in range(MAX_OWNERS_PER_QUERY + 1)]


class BusyServer:
    """Fake Prefect client in which every owner has a due run."""

    def __init__(self) -> None:
        self.queried: list[str] = []

    async def read_flow_runs(self, flow_run_filter: FlowRunFilter, **_: Any) -> list[FlowRun]:
        if flow_run_filter.tags is None:
            return []
        (tag,) = flow_run_filter.tags.all_ or []
        self.queried.append(tag.removeprefix("owner:"))
        return [FlowRun(flow_id=uuid4(), work_queue_id=uuid4(), tags=[tag, "report:orders"])]


def test_every_owner_is_queried_once_before_any_is_queried_again() -> None:
    server = BusyServer()
    backlog = Backlog(cast("Any", server), "pool", "worker", {}, 5)
    backlog.add_waiting_owners(NAMES)
    response = WorkerFlowRunResponse(
        work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=FlowRun(flow_id=uuid4())
    )
    for _ in range(2):
        asyncio.run(backlog.next_runs([response], lambda: 4))
    assert set(server.queried[: len(NAMES)]) == set(NAMES)
