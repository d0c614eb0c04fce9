"""Test that Backlog queries the runs of every waiting owner and reuses the results of its last query."""

import asyncio
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from deployments.warm_worker import backlog as backlog_module
from deployments.warm_worker.backlog import MAX_ANNOUNCED, MAX_OWNERS_PER_QUERY, Backlog
from deployments.warm_worker.scheduled_events import Scheduled

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


@dataclass
class QuietServer:
    """Fake Prefect client for a pool with `workers` online workers and `due` due runs."""

    workers: int
    due: int = 0
    counted: int = 0

    async def read_workers_for_work_pool(self, _: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=f"worker {n}", status="ONLINE") for n in range(self.workers)]

    async def read_flow_runs(self, **_: Any) -> list[FlowRun]:
        return []

    async def count_flow_runs(self, **_: Any) -> int:
        self.counted += 1
        return self.due


def due_run(queue: UUID | None = None) -> WorkerFlowRunResponse:
    run = FlowRun(flow_id=uuid4(), tags=["owner:ada", "report:orders"])
    return WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=queue or uuid4(), flow_run=run)


class Claims:
    """Queries and claims runs as the worker does, one at a time."""

    def __init__(self, server: QuietServer) -> None:
        self.claimed: dict[UUID, str | None] = {}
        self.backlog = Backlog(cast("Any", server), "pool", "worker 0", self.claimed, 5)
        asyncio.run(self.backlog.scan())

    def query(self, runs: int) -> list[UUID]:
        self.backlog.on_query(runs, time.monotonic())
        queue = uuid4()
        return self.claim([due_run(queue) for _ in range(runs)])

    def claim_remaining(self) -> list[UUID]:
        return self.claim(self.backlog.remaining_runs())

    def claim(self, due: list[WorkerFlowRunResponse]) -> list[UUID]:
        selected = asyncio.run(self.backlog.next_runs(due, lambda: 1))
        self.claimed |= {run.flow_run.id: None for run in selected}
        return [run.flow_run.id for run in selected]

    def has_due_runs(self) -> bool:
        return asyncio.run(self.backlog.has_due_runs())


def test_the_only_worker_claims_all_runs_of_a_query() -> None:
    server = QuietServer(workers=1)
    claims = Claims(server)
    ids = claims.query(runs=3)
    while claims.has_due_runs():
        ids += claims.claim_remaining()
    assert len(set(ids)) == 3
    assert server.counted == 0


def test_due_runs_are_counted_until_every_announced_run_is_claimed() -> None:
    server = QuietServer(workers=1, due=1)
    claims = Claims(server)
    claims.backlog.on_scheduled(Scheduled(None, ()))
    assert [claims.has_due_runs(), claims.has_due_runs(), server.counted] == [True, True, 2]
    server.due = 0
    assert [claims.has_due_runs(), claims.has_due_runs(), server.counted] == [False, False, 3]


def test_a_claimed_run_is_not_counted() -> None:
    server = QuietServer(workers=1)
    claims = Claims(server)
    run = due_run()
    claims.backlog.on_scheduled(Scheduled(run.flow_run.id, ("ada",)))
    claims.claim([run])
    assert not claims.has_due_runs()
    assert server.counted == 0


def test_a_long_backlog_that_other_workers_claim_takes_bounded_memory() -> None:
    server = QuietServer(workers=2, due=1)
    claims = Claims(server)
    for _ in range(2 * MAX_ANNOUNCED):
        claims.backlog.on_scheduled(Scheduled(uuid4(), ("ada",)))
    assert len(claims.backlog._announced) <= MAX_ANNOUNCED + 1
    assert asyncio.run(claims.backlog.has_due_runs())
    server.due = 0
    assert not asyncio.run(claims.backlog.has_due_runs())
    assert not claims.backlog._announced


def test_one_of_several_workers_queries_again() -> None:
    claims = Claims(QuietServer(workers=2))
    claims.query(runs=3)
    assert claims.backlog.remaining_runs() == []
    assert claims.has_due_runs()


@pytest.mark.parametrize(("owners", "remaining"), [(["ada"], 2), (["bob"], 0), (["ada", "bob"], 0), ([], 0)])
def test_a_new_run_that_may_go_first_is_queried_at_once(owners: list[str], remaining: int) -> None:
    claims = Claims(QuietServer(workers=1))
    claims.query(runs=3)
    claims.backlog.on_scheduled(Scheduled(uuid4(), tuple(owners)))
    assert len(claims.backlog.remaining_runs()) == remaining


def test_an_old_query_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(QuietServer(workers=1))
    claims.query(runs=3)
    monkeypatch.setattr(backlog_module, "REMAINING_SECONDS", 0.0)
    assert claims.backlog.remaining_runs() == []
    assert claims.has_due_runs()


def test_a_poll_queries_only_if_runs_are_due_or_the_last_query_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = QuietServer(workers=1)
    claims = Claims(server)
    assert asyncio.run(claims.backlog.needs_query())
    claims.query(runs=0)
    assert not asyncio.run(claims.backlog.needs_query())
    server.due = 1
    assert asyncio.run(claims.backlog.needs_query())
    server.due = 0
    monkeypatch.setattr(backlog_module, "MAX_SECONDS_BETWEEN_QUERIES", 0.0)
    assert asyncio.run(claims.backlog.needs_query())
