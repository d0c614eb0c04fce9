"""Reschedule lost runs for another attempt with the same run id.

A run is lost if its worker or process has crashed. There are three possible signs of this: the run was
claimed but not started, Prefect has marked it as crashed, or its progress artifact is too old. A healthy run
updates the artifact at least every 5 s, even if its export is slow.
"""

import logging
import random
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta
from typing import Any, Protocol
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
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import PrefectException
from prefect.states import AwaitingRetry, Cancelled

from deployments.warm_worker import metrics
from flows.errors import DeliveryLost, WorkerLost
from flows.runs import final_states, flow_names, tags
from flows.runs.artifacts import progress_filter
from flows.runs.prefect_calls import sent_once
from flows.runs.progress import HEARTBEAT_SECONDS
from flows.settings import Settings

# Only runs of these flows are rescheduled. SILENT_SECONDS is long enough for both flows, because exports
# update their progress artifact and webhooks take at most 5 s.
RESCUED_FLOWS = [flow_names.EXPORT, flow_names.DELIVER]
WITH_HEARTBEAT = (StateType.RUNNING, StateType.CANCELLING)
LOSABLE_STATES = (StateType.PENDING, *WITH_HEARTBEAT, StateType.CRASHED)
SWEEP_INTERVAL_SECONDS = 5.0
PENDING_SECONDS = 20.0
SILENT_SECONDS = 4 * HEARTBEAT_SECONDS
# The messages of the states in which runs are rescheduled.
WORKER_CRASHED, WORKER_STOPPED = "Its worker crashed.", "The worker was stopped."
CANCELLED_MESSAGE = "The run was cancelled, and its worker has stopped."
MAX_CRASH_AGE = timedelta(hours=24)
RESCHEDULE_TRIES, RETRY_SECONDS = 5, 1.0

logger = logging.getLogger(__name__)


class Killable(Protocol):
    def kill(self) -> None: ...


class Rescuer:
    """Reschedules lost runs.

    `own` maps the ids of this worker's runs to their processes. `claimed` contains the same ids and those of
    runs that are waiting for a process. `clock` returns the time of the Prefect server.
    """

    def __init__(
        self,
        client: PrefectClient,
        work_pool: str,
        own: Mapping[UUID, Killable],
        claimed: Set[UUID],
        clock: Callable[[], datetime],
    ) -> None:
        self._client, self._work_pool, self._own, self._claimed = client, work_pool, own, claimed
        self._clock = clock
        settings = Settings()
        self._attempts, self._webhook_attempts = settings.attempts, settings.webhook_attempts

    async def sweep_forever(self) -> None:
        while True:
            # Jitter spreads out the sweeps of workers that started at the same time.
            await anyio.sleep(SWEEP_INTERVAL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            try:
                await self.sweep()
            except (httpx.HTTPError, PrefectException, OSError):
                logger.warning("searching for lost runs failed; retrying soon", exc_info=True)

    async def sweep(self) -> list[UUID]:
        """Reschedule all lost runs and return their ids."""
        runs = await self._read_losable_runs()
        heartbeats = await self._read_heartbeats([run.id for run in runs if run.state_type in WITH_HEARTBEAT])
        now = self._clock()
        lost = [run for run in runs if is_lost(run, heartbeats.get(run.id), now)]
        for run in lost:
            if (process := self._own.get(run.id)) is not None:
                process.kill()  # the process hangs; the next sweep reschedules its run
            elif run.id not in self._claimed:
                await self._reschedule(run, WORKER_CRASHED)
        return [run.id for run in lost]

    async def reschedule(self, run_id: UUID, reason: str) -> None:
        """Reschedule a run of this worker.

        If Prefect cannot be reached, another worker reschedules the run when its heartbeat is late.
        """
        for _ in range(RESCHEDULE_TRIES):
            try:
                await self._reschedule(await self._client.read_flow_run(run_id), reason)
            except httpx.HTTPError:
                logger.warning("could not reschedule flow run %s", run_id, exc_info=True)
                await anyio.sleep(RETRY_SECONDS)
            else:
                return

    async def _reschedule(self, run: FlowRun, reason: str) -> None:
        current = await self._client.read_flow_run(run.id)
        if current.state_type not in LOSABLE_STATES or current.state_id != run.state_id:
            return  # the run has continued, or another worker has rescheduled it
        error: type[WorkerLost | DeliveryLost] = WorkerLost
        attempts = self._attempts
        if tags.WEBHOOK in run.tags:
            error, attempts = DeliveryLost, self._webhook_attempts
        state: State[Any]
        if current.state_type == StateType.CANCELLING:
            state = Cancelled(message=CANCELLED_MESSAGE)
        elif run.run_count < attempts:
            state = AwaitingRetry(scheduled_time=self._clock(), message=reason)
        else:
            state = final_states.failed(error.code, error.message)
        # Without `force`, Prefect does not let a run leave the final state Crashed. With `force`, a run that
        # has just completed would start again.
        force = current.state_type == StateType.CRASHED
        with sent_once():
            response = await self._client.set_flow_run_state(run.id, state, force)
        if response.status != SetStateStatus.ACCEPT:
            return
        if state.is_failed():
            await self._client.update_flow_run(run.id, tags=[*current.tags, tags.CODE + error.code])
        metrics.put_back.inc()
        fields = {"job": str(run.id)}
        logger.info("flow run %s: %s New state: %s.", run.id, reason, state.name, extra={"fields": fields})

    async def _read_losable_runs(self) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=RESCUED_FLOWS)),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(LOSABLE_STATES)))
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool])),
        )

    async def _read_heartbeats(self, run_ids: list[UUID]) -> dict[UUID, datetime]:
        if not run_ids:
            return {}
        artifacts = await self._client.read_artifacts(artifact_filter=progress_filter(run_ids))
        heartbeats: dict[UUID, datetime] = {}
        for artifact in artifacts:
            run_id, updated = artifact.flow_run_id, artifact.updated
            if run_id is not None and updated is not None:  # a run may have two (see progress_by_run)
                heartbeats[run_id] = max(updated, heartbeats.get(run_id, updated))
        return heartbeats


def is_lost(run: FlowRun, heartbeat: datetime | None, now: datetime) -> bool:
    """Return whether the run is lost.

    `heartbeat` is the time of the last update of the run's progress artifact.
    """
    state = run.state
    if state is None:
        return False
    age = now - state.timestamp
    if state.is_crashed():
        return age < MAX_CRASH_AGE
    if state.is_pending():
        return age.total_seconds() > PENDING_SECONDS
    last_sign = max(heartbeat, state.timestamp) if heartbeat is not None else state.timestamp
    return (state.is_running() or state.is_cancelling()) and (
        now - last_sign
    ).total_seconds() > SILENT_SECONDS
