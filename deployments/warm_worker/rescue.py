"""Finds runs whose worker is dead and puts them back, under the same id, for a new attempt.

A run is lost when it was claimed and never started, when its progress artifact (the heartbeat, touched at
least every 5 s) has been silent too long, or when Prefect saw it crash. A run that is alive and slow goes
on touching its artifact, so nothing here ever takes one.
"""

import logging
import random
from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectException
from prefect.states import AwaitingRetry, Failed

from deployments.warm_worker import metrics
from deployments.warm_worker.pool import WarmProcess
from flows.errors import DeliveryLost, WorkerLost
from flows.runs import flow_names, tags
from flows.runs.artifacts import progress_filter
from flows.runs.progress import HEARTBEAT_SECONDS
from flows.settings import Settings

# The flows that may be run again; others are left as they ended. An export touches its progress artifact,
# and a webhook takes 5 s at most: both are heard of within the time that a silent run has.
RUN_AGAIN = [flow_names.EXPORT, flow_names.DELIVER]
LOSABLE = (StateType.PENDING, StateType.RUNNING, StateType.CRASHED)
SWEEP_SECONDS = 5.0
PENDING_SECONDS = 20.0
SILENT_SECONDS = 4 * HEARTBEAT_SECONDS
CRASHED_WITHIN = timedelta(hours=24)

logger = logging.getLogger(__name__)


class Rescue:
    """`own` are the runs in this worker's processes, `claimed` also those that wait for a process."""

    def __init__(
        self, client: PrefectClient, work_pool: str, own: Mapping[UUID, WarmProcess], claimed: Set[UUID]
    ) -> None:
        self._client, self._work_pool, self._own, self._claimed = client, work_pool, own, claimed
        settings = Settings()
        self._attempts, self._webhook_attempts = settings.attempts, settings.webhook_attempts

    async def keep_sweeping(self) -> None:
        while True:
            # Workers that started together must not sweep together.
            await anyio.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            try:
                await self.sweep(datetime.now(UTC))
            except (httpx.HTTPError, PrefectException, OSError):
                logger.warning("looking for lost runs failed; trying again soon", exc_info=True)

    async def sweep(self, now: datetime) -> list[UUID]:
        """Puts back every lost run; the ids of those."""
        runs = await self._active()
        heartbeats = await self._heartbeats([run.id for run in runs if run.state_type == StateType.RUNNING])
        lost = [run for run in runs if is_lost(run, heartbeats.get(run.id), now)]
        for run in lost:
            if (process := self._own.get(run.id)) is not None:
                process.kill()  # ours, and silent: it hangs; next time it is seen as crashed
            elif run.id not in self._claimed:
                await self._put_back(run, "Its worker was lost.")
        return [run.id for run in lost]

    async def put_back(self, run_id: UUID, reason: str) -> None:
        await self._put_back(await self._client.read_flow_run(run_id), reason)

    async def _put_back(self, run: FlowRun, reason: str) -> None:
        current = await self._client.read_flow_run(run.id)
        if current.state_type not in LOSABLE or current.state_id != run.state_id:
            return  # it went on, or another worker was faster
        lost: type[WorkerLost | DeliveryLost] = WorkerLost
        attempts = self._attempts
        if tags.WEBHOOK in run.tags:
            lost, attempts = DeliveryLost, self._webhook_attempts
        if run.run_count < attempts:
            state: State[Any] = AwaitingRetry(scheduled_time=datetime.now(UTC), message=reason)
        else:
            state = Failed(name=lost.code, message=lost.message)
        # The state may be final (Crashed), and no rule of Prefect's leads out of it.
        await self._client.set_flow_run_state(run.id, state, force=True)
        metrics.put_back.inc()
        facts = {"job": str(run.id)}
        logger.info("flow run %s: %s It is %s now.", run.id, reason, state.name, extra={"fields": facts})

    async def _active(self) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=RUN_AGAIN)),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(LOSABLE)))
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool])),
        )

    async def _heartbeats(self, run_ids: list[UUID]) -> dict[UUID, datetime]:
        if not run_ids:
            return {}
        found = await self._client.read_artifacts(artifact_filter=progress_filter(run_ids))
        return {
            artifact.flow_run_id: artifact.updated
            for artifact in found
            if artifact.flow_run_id is not None and artifact.updated is not None
        }


def is_lost(run: FlowRun, heartbeat: datetime | None, now: datetime) -> bool:
    state = run.state
    if state is None:
        return False
    age = now - state.timestamp
    if state.is_crashed():
        return age < CRASHED_WITHIN
    if state.is_pending():
        return age.total_seconds() > PENDING_SECONDS
    last = max(heartbeat, state.timestamp) if heartbeat is not None else state.timestamp
    return state.is_running() and (now - last).total_seconds() > SILENT_SECONDS
