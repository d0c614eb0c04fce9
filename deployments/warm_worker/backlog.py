"""What waits in the pool for this worker, and what goes on in it: read so that nobody is overlooked.

Prefect hands out at most 200 runs, the oldest first, and no more than its own limits leave room for: behind
one caller's backlog another's run is not seen. Whose runs these are the worker hears from events, and looks
again now and then, for events may be lost.
"""

import asyncio
import logging
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

from deployments.warm_worker.fair_share import in_turn, owner_of
from flows.runs.tags import OWNER

MOST_PER_READ = 200  # Prefect's own limit
READS_PER_LOOK = 10
MOST_OWNERS_ASKED = 10
LOOK_SECONDS = 5.0
TAKEN = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)

logger = logging.getLogger(__name__)


class Backlog:
    """`own` are the owners of the runs that this worker has taken, `limit` is how many each may have."""

    def __init__(
        self, client: PrefectClient, work_pool: str, worker: str, own: Mapping[UUID, str | None], limit: int
    ) -> None:
        self._client, self._worker, self._own, self._limit = client, worker, own, limit
        self._name = work_pool
        self._pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[work_pool]))
        self._alone = False
        self._overlooked: dict[str, None] = {}  # an ordered set of owners
        self._waits = False

    def heard_of(self, owners: Iterable[str]) -> None:
        """Something of theirs waits; it may be hidden."""
        self._overlooked |= dict.fromkeys(owners)

    async def next_runs(
        self, seen: Sequence[WorkerFlowRunResponse], free_slots: Callable[[], int]
    ) -> list[WorkerFlowRunResponse]:
        """Of those that Prefect has handed out and those behind them, as many as fit, each in turn."""
        self._waits = bool(seen)
        if not seen:
            return []
        hidden, elsewhere = await asyncio.gather(self._hidden(seen), self._elsewhere())
        due = [each for each in [*seen, *hidden] if each.flow_run.id not in self._own]
        places = {each.work_queue_id: place for place, each in reversed(list(enumerate(seen)))}
        due.sort(key=lambda each: places[each.work_queue_id])
        return in_turn(
            due,
            owner=lambda each: owner_of(each.flow_run.tags),
            queue=lambda each: each.work_queue_id,
            running=({**elsewhere, **self._own}).values(),
            limit=self._limit,
            slots=min(free_slots(), len(seen)),
        )

    async def has_room(self, claimed: FlowRun) -> bool:
        """Whether a run that was just claimed is within its owner's limit: other workers may have looked at
        the same moment. Of several that were, the earliest have room."""
        owner = owner_of(claimed.tags)
        if self._alone or owner is None:
            return True
        theirs = [run for run in await self._taken(owner) if owner_of(run.tags) == owner]
        first = sorted(theirs, key=_claimed_at)[: self._limit]
        return len(theirs) <= self._limit or claimed.id in [run.id for run in first]

    async def keep_looking(self) -> None:
        while True:
            try:
                await self.look()
            except (httpx.HTTPError, PrefectException, OSError):
                logger.debug("looking through the backlog failed; trying again soon", exc_info=True)
            await anyio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Whether other workers serve the pool, and whose runs wait beyond those that Prefect hands out."""
        workers = await self._client.read_workers_for_work_pool(self._name)
        self._alone = all(each.name == self._worker for each in workers if each.status == "ONLINE")
        for number in range(READS_PER_LOOK if self._waits else 0):
            found = await self._read(_due(), number * MOST_PER_READ, MOST_PER_READ)
            self.heard_of(owner for run in found if (owner := owner_of(run.tags)) is not None)
            if len(found) < MOST_PER_READ:
                return

    async def _hidden(self, seen: Sequence[WorkerFlowRunResponse]) -> list[WorkerFlowRunResponse]:
        """The first of each owner who was heard of and is not seen, in queues that hand out something."""
        for each in seen:
            self._overlooked.pop(owner_of(each.flow_run.tags) or "", None)
        asked = list(self._overlooked)[:MOST_OWNERS_ASKED]
        most = min(self._limit, MOST_PER_READ)
        found = await asyncio.gather(*(self._read(_due(owner), 0, most) for owner in asked))
        for owner, runs in zip(asked, found, strict=True):
            self._overlooked.pop(owner, None)
            if runs:  # asked again after all others
                self._overlooked[owner] = None
        queues = {each.work_queue_id: each.work_pool_id for each in seen}
        return [
            WorkerFlowRunResponse(
                work_pool_id=queues[run.work_queue_id], work_queue_id=run.work_queue_id, flow_run=run
            )
            for runs in found
            for run in runs
            if run.work_queue_id in queues and run.empirical_policy.retry_type != "in_process"
        ]

    async def _elsewhere(self) -> dict[UUID, str | None]:
        """Owners of what all workers have taken; with no other worker the own runs are all there are."""
        if self._alone:
            return {}
        return {run.id: owner_of(run.tags) for run in await self._taken()}

    async def _taken(self, owner: str | None = None) -> list[FlowRun]:
        return await self._read(_of(owner, *TAKEN), 0, MOST_PER_READ)

    async def _read(self, wanted: FlowRunFilter, start: int, limit: int) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=self._pool,
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            offset=start,
            limit=limit,
        )


def _due(owner: str | None = None) -> FlowRunFilter:
    found = _of(owner, StateType.SCHEDULED)
    found.next_scheduled_start_time = FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
    return found


def _of(owner: str | None, *states: StateType) -> FlowRunFilter:
    return FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        tags=FlowRunFilterTags(all_=[f"{OWNER}{owner}"]) if owner is not None else None,
    )


def _claimed_at(run: FlowRun) -> tuple[bool, datetime | None, UUID]:
    """Those that run already come first; they had room."""
    return run.state_type == StateType.PENDING, run.state.timestamp if run.state else None, run.id
