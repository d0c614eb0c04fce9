"""Read the due and running runs of the work pool, and choose the next runs fairly.

Prefect returns at most 200 due runs, oldest first. If one caller has a long backlog, the runs of other
callers may be missing from that list. The worker learns about these callers from events. It also scans the
backlog every few seconds in case an event was lost.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import anyio
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectException

from deployments.warm_worker.fair_share import find_owner, select_fairly
from deployments.warm_worker.scheduled_events import Scheduled
from flows.runs.tags import OWNER

PAGE_SIZE = 200  # Prefect's maximum
MAX_PAGES_PER_SCAN = 10
MAX_OWNERS_PER_QUERY = 10
SCAN_INTERVAL_SECONDS = 5.0
REMAINING_SECONDS = 2.0
MAX_SECONDS_BETWEEN_QUERIES = 20.0
MAX_ANNOUNCED = 1_000
# A run that is being cancelled frees its owner's slot immediately, even if its worker has stopped.
CLAIMED_STATES = (StateType.PENDING, StateType.RUNNING)

logger = logging.getLogger(__name__)


class Backlog:
    """Chooses the next runs for a worker.

    `claimed` maps the ids of the worker's current runs to their owners. `limit` is the maximum number of runs
    that each owner may have in progress.
    """

    def __init__(
        self,
        client: PrefectClient,
        work_pool: str,
        worker: str,
        claimed: Mapping[UUID, str | None],
        limit: int,
    ) -> None:
        self._client, self._worker, self._claimed, self._limit = client, worker, claimed, limit
        self._pool_name = work_pool
        self._pool_filter = WorkPoolFilter(name=WorkPoolFilterName(any_=[work_pool]))
        self._is_only_worker = False
        self._waiting_owners: dict[str, None] = {}  # used as an ordered set
        self._is_page_full = False
        self._announced: set[UUID | None] = set()
        self._remaining: list[WorkerFlowRunResponse] = []
        self.queried_at = float("-inf")

    def add_waiting_owners(self, owners: Iterable[str]) -> None:
        """Remember owners that have due runs, because Prefect's response may omit these runs."""
        self._waiting_owners |= dict.fromkeys(owners)

    def on_scheduled(self, scheduled: Scheduled) -> None:
        """Record that a run was scheduled, or that events about scheduled runs may have been missed.

        If the new run may take precedence over the remaining runs from the last query, those runs are
        dropped.
        """
        # Other workers' claims are not known here, so their runs stay in the set. None is never claimed.
        self._announced.add(scheduled.run_id if len(self._announced) < MAX_ANNOUNCED else None)
        self.add_waiting_owners(scheduled.owners)
        known_owners = {find_owner(run.flow_run.tags) for run in self._remaining}
        if not scheduled.owners or not known_owners.issuperset(scheduled.owners):
            self._remaining = []

    def on_query(self, due_runs: int, queried_at: float) -> None:
        self._is_page_full = due_runs >= PAGE_SIZE
        self.queried_at = queried_at

    def remaining_runs(self) -> list[WorkerFlowRunResponse]:
        """Return the runs from the last query that have not been claimed.

        The result is empty if that query is too old or if other workers serve the pool.
        """
        is_recent = time.monotonic() - self.queried_at < REMAINING_SECONDS
        return self._remaining if is_recent and self._is_only_worker else []

    async def has_due_runs(self) -> bool:
        """Return whether runs may be due.

        Prefect is queried only if it has announced runs and no due runs are known yet.
        """
        if self._remaining or self._is_page_full:
            return True
        if not self._announced:
            return False
        if await self._count_due() > 0:
            return True
        self._announced.clear()
        return False

    async def needs_query(self) -> bool:
        """Return whether a poll has to query the due runs.

        This is necessary if runs are due. It is also necessary if the last query is old, because Prefect
        shows a queue as not ready if the queue has not been queried for a minute.
        """
        is_old = time.monotonic() - self.queried_at > MAX_SECONDS_BETWEEN_QUERIES
        return is_old or bool(self._remaining) or await self._count_due() > 0

    async def _count_due(self) -> int:
        return await self._client.count_flow_runs(
            flow_run_filter=_due_filter(), work_pool_filter=self._pool_filter
        )

    async def next_runs(
        self, polled_runs: Sequence[WorkerFlowRunResponse], free_slots: Callable[[], int]
    ) -> list[WorkerFlowRunResponse]:
        """Return the runs to claim, chosen from `polled_runs` and from the due runs of waiting owners."""
        self._remaining = []
        if not polled_runs:
            return []
        hidden, claimed_elsewhere = await asyncio.gather(
            self._read_hidden(polled_runs), self._read_claimed_elsewhere()
        )
        due = [run for run in [*polled_runs, *hidden] if run.flow_run.id not in self._claimed]
        queue_order = {run.work_queue_id: index for index, run in reversed(list(enumerate(polled_runs)))}
        due.sort(key=lambda run: queue_order[run.work_queue_id])
        selected = select_fairly(
            due,
            get_owner=lambda run: find_owner(run.flow_run.tags),
            get_queue=lambda run: run.work_queue_id,
            running=({**claimed_elsewhere, **self._claimed}).values(),
            limit=self._limit,
            slots=min(free_slots(), len(polled_runs)),
        )
        selected_ids = {run.flow_run.id for run in selected}
        self._announced -= selected_ids
        unavailable = {*self._claimed, *selected_ids}
        self._remaining = [run for run in polled_runs if run.flow_run.id not in unavailable]
        return selected

    async def is_within_limit(self, run: FlowRun) -> bool:
        """Return whether a run that was just claimed is within its owner's limit.

        Other workers may have claimed runs of the same owner at the same time. The earliest claims win.
        """
        owner = find_owner(run.tags)
        if self._is_only_worker or owner is None:
            return True
        runs = [other for other in await self._read_claimed(owner) if find_owner(other.tags) == owner]
        earliest = sorted(runs, key=_claim_order)[: self._limit]
        return len(runs) <= self._limit or run.id in [other.id for other in earliest]

    async def scan_forever(self) -> None:
        while True:
            try:
                await self.scan()
            except (httpx.HTTPError, PrefectException, OSError):
                logger.debug("scanning the backlog failed; retrying soon", exc_info=True)
            await anyio.sleep(SCAN_INTERVAL_SECONDS)

    async def scan(self) -> None:
        """Find out whether other workers serve the pool and which owners have due runs."""
        workers = await self._client.read_workers_for_work_pool(self._pool_name)
        self._is_only_worker = all(
            worker.name == self._worker for worker in workers if worker.status == "ONLINE"
        )
        for page in range(MAX_PAGES_PER_SCAN if self._is_page_full else 0):
            runs = await self._read(_due_filter(), page * PAGE_SIZE, PAGE_SIZE)
            self.add_waiting_owners(owner for run in runs if (owner := find_owner(run.tags)) is not None)
            if len(runs) < PAGE_SIZE:
                return

    async def _read_hidden(self, polled_runs: Sequence[WorkerFlowRunResponse]) -> list[WorkerFlowRunResponse]:
        """Return the first due runs of each waiting owner, in case Prefect's response does not contain them.

        If the response contains no runs from a queue, the queue has reached its limit. This method therefore
        returns no runs from such a queue.
        """
        for run in polled_runs:
            self._waiting_owners.pop(find_owner(run.flow_run.tags) or "", None)
        owners = list(self._waiting_owners)[:MAX_OWNERS_PER_QUERY]
        count = min(self._limit, PAGE_SIZE)
        runs_by_owner = await asyncio.gather(*(self._read(_due_filter(owner), 0, count) for owner in owners))
        for owner, runs in zip(owners, runs_by_owner, strict=True):
            self._waiting_owners.pop(owner, None)
            if runs:  # move the owner to the end, so other owners are queried first
                self._waiting_owners[owner] = None
        pools = {run.work_queue_id: run.work_pool_id for run in polled_runs}
        return [
            WorkerFlowRunResponse(
                work_pool_id=pools[run.work_queue_id], work_queue_id=run.work_queue_id, flow_run=run
            )
            for runs in runs_by_owner
            for run in runs
            if run.work_queue_id in pools and run.empirical_policy.retry_type != "in_process"
        ]

    async def _read_claimed_elsewhere(self) -> dict[UUID, str | None]:
        """Map each claimed run in the pool to its owner. The result is empty if this is the only worker."""
        if self._is_only_worker:
            return {}
        return {run.id: find_owner(run.tags) for run in await self._read_claimed()}

    async def _read_claimed(self, owner: str | None = None) -> list[FlowRun]:
        return await self._read(_state_filter(owner, *CLAIMED_STATES), 0, PAGE_SIZE)

    async def _read(self, run_filter: FlowRunFilter, offset: int, limit: int) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_run_filter=run_filter,
            work_pool_filter=self._pool_filter,
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            offset=offset,
            limit=limit,
        )


def _due_filter(owner: str | None = None) -> FlowRunFilter:
    run_filter = _state_filter(owner, StateType.SCHEDULED)
    run_filter.next_scheduled_start_time = FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
    return run_filter


def _state_filter(owner: str | None, *states: StateType) -> FlowRunFilter:
    return FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        tags=FlowRunFilterTags(all_=[f"{OWNER}{owner}"]) if owner is not None else None,
    )


def _claim_order(run: FlowRun) -> tuple[bool, datetime | None, UUID]:
    """Return a sort key that puts running runs first.

    Running runs have priority because they were within the limit when they started.
    """
    return run.state_type == StateType.PENDING, run.state.timestamp if run.state else None, run.id
