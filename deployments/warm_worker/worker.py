"""The worker: hears of runs at once, claims them in one round trip, has a warm process run each.

It is an ordinary Prefect worker on an ordinary work pool. What a stock worker does between a claim and
`run()` (four more calls) is left out; execution, cancellation and crash detection are the stock executor's.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.states import Failed, Scheduled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from deployments.warm_worker import metrics, prefect_internals
from deployments.warm_worker.after_run_loop import keep_following_up
from deployments.warm_worker.backlog import Backlog
from deployments.warm_worker.child import Job
from deployments.warm_worker.entrypoints import refusal
from deployments.warm_worker.fair_share import owner_of
from deployments.warm_worker.pool import Pool, WarmProcess
from deployments.warm_worker.rescue import Rescue
from deployments.warm_worker.scheduled_events import scheduled_runs_heard
from flows.settings import Settings

TYPE = "warm"
DEFAULT_LIMIT = 2 * (os.cpu_count() or 1)
ENTRYPOINT_KEPT_SECONDS = 10.0
CRASH_SEEN_SECONDS = 2.0
# An event can overtake the run's own commit.
LOOKS_PER_EVENT, SECONDS_BETWEEN_LOOKS = 3, 0.02


class WorkerRefused(RuntimeError):
    """The worker cannot serve this pool; the sentence says what to do."""


class WarmVariables(BaseVariables):
    """No variables: a warm process is made before anybody knows for which run."""


class WarmConfiguration(BaseJobConfiguration):
    pass


class WarmResult(BaseWorkerResult):
    pass


class WarmStarter:
    """What the stock executor starts a run with: here, a process that is there already."""

    def __init__(
        self, pool: Pool, entrypoint: str, control_channel: Any, own: dict[UUID, WarmProcess]
    ) -> None:
        self._pool, self._entrypoint, self._control, self._own = pool, entrypoint, control_channel, own

    async def start(
        self, flow_run: FlowRun, task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        process = await self._pool.take()
        port, token = self._control.register(flow_run.id)
        environment = {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__FLOW_ENTRYPOINT": self._entrypoint,
            "PREFECT__CONTROL_PORT": str(port),
            "PREFECT__CONTROL_TOKEN": token,
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
        }
        process.give(Job(flow_run, self._entrypoint, environment))
        self._own[flow_run.id] = process
        task_status.started(prefect_internals.ProcessHandle(cast(Any, process.process)))
        try:
            await process.ended()
        finally:
            del self._own[flow_run.id]


async def _load_flow(entrypoint: str, _: FlowRun) -> Flow[..., Any]:
    """Load the flow for its hooks. Prefect's own loader would run the deployment's pull steps first."""
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


class WarmWorker(BaseWorker[WarmConfiguration, WarmVariables, WarmResult]):
    type = TYPE
    job_configuration = WarmConfiguration
    job_configuration_variables = WarmVariables
    _display_name = "Warm"
    _description = "Runs flows in processes that have imported everything beforehand: 0.3 s instead of 10 s."

    def __init__(self, work_pool_name: str, **options: Any) -> None:
        prefect_internals.check_version()
        if options.get("limit") is None:
            options["limit"] = DEFAULT_LIMIT
        super().__init__(work_pool_name, **options)
        self._own: dict[UUID, WarmProcess] = {}
        self._wake = asyncio.Event()
        self._looks = 1
        self._draining = False
        self._other_entrypoints = Settings().other_entrypoints
        self._entrypoints: dict[UUID, tuple[float, str]] = {}
        self._in_flight: dict[UUID, asyncio.Task[Any]] = {}
        self._owners: dict[UUID, str | None] = {}

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        raise NotImplementedError("the warm worker runs what deployments of its pool schedule")

    async def setup(self) -> None:
        await super().setup()
        self._check_pool()
        enter = self._exit_stack.enter_async_context
        self._executors = await enter(prefect_internals.FlowRunExecutorContext())
        self._pool = await enter(Pool(min(self.limiter_size, DEFAULT_LIMIT)))
        await self._pool.warmed_up()
        metrics.limit.set(self.limiter_size)
        metrics.warm.set_function(lambda: self._pool.waiting)
        self._rescue = Rescue(self.client, self._work_pool_name, self._own, self._submitting_flow_run_ids)
        self._backlog = Backlog(
            self.client, self._work_pool_name, self.name, self._owners, Settings().running_per_caller
        )
        await enter(self._services())

    @property
    def limiter_size(self) -> int:
        return int(self.limiter.total_tokens)

    async def drain(self, seconds: float) -> None:
        """Takes nothing new; what does not end in time is stopped and goes back to the other workers."""
        self._draining = True
        in_flight = dict(self._in_flight)
        if not in_flight:
            return
        await asyncio.wait(in_flight.values(), timeout=seconds)
        left = [run_id for run_id, task in in_flight.items() if not task.done()]
        for run_id in left:
            if (process := self._own.get(run_id)) is not None:
                process.kill()
        await asyncio.wait(in_flight.values(), timeout=CRASH_SEEN_SECONDS)
        for run_id in left:
            await self._rescue.put_back(run_id, "The worker was stopped.")

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        return [] if self._draining else await super().get_and_submit_flow_runs()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """Those that are taken now: no more than there are slots, callers in turn."""
        if self.limiter.available_tokens < 1:
            return []
        found = await super()._get_scheduled_flow_runs()
        due = [each for each in found if each.flow_run.id not in self._submitting_flow_run_ids]
        taken = await self._backlog.next_runs(due, lambda: int(self.limiter.available_tokens))
        # From here to the claim nothing is waited for: two looks at once do not take the same.
        self._owners |= {each.flow_run.id: owner_of(each.flow_run.tags) for each in taken}
        return taken

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Claims the run and stays with it until its process has ended."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - anyio runs on asyncio here
        self._in_flight[flow_run.id] = task
        metrics.running.inc()
        due = flow_run.expected_start_time
        if due is not None:
            metrics.wait_seconds.observe(max(0.0, (datetime.now(UTC) - due).total_seconds()))
        try:
            entrypoint = await self._entrypoint(flow_run)
            if entrypoint is not None and await self._propose_pending_state(flow_run):
                if await self._backlog.has_room(flow_run):
                    await self._execute(flow_run, entrypoint)
                else:
                    await self._leave_for_later(flow_run)
        except Exception:
            facts = {"job": str(flow_run.id)}
            self._logger.exception("Flow run '%s' could not be run", flow_run.id, extra={"fields": facts})
        finally:
            del self._in_flight[flow_run.id]
            self._owners.pop(flow_run.id, None)
            metrics.running.dec()
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
            if self._cancelling_observer is not None:
                self._cancelling_observer.remove_in_flight_flow_run_id(flow_run.id)
            self._wake.set()  # a slot is free

    async def _execute(self, flow_run: FlowRun, entrypoint: str) -> None:
        starter = WarmStarter(self._pool, entrypoint, self._executors.control_channel, self._own)
        executor = self._executors.create_executor(
            flow_run,
            starter,
            resolve_flow=partial(_load_flow, entrypoint),
            propose_submitting=False,
        )
        await executor.submit()

    async def _leave_for_later(self, flow_run: FlowRun) -> None:
        """At its old place among those that wait."""
        message = "Its owner has as many runs as they may have at a time."
        waits: State[Any] = Scheduled(scheduled_time=flow_run.expected_start_time, message=message)
        await self.client.set_flow_run_state(flow_run.id, waits)

    async def _entrypoint(self, flow_run: FlowRun) -> str | None:
        """Return the deployment's entrypoint, or None after ending a run that must not start.

        Deployments are read at most every few seconds.
        """
        deployment_id = flow_run.deployment_id
        if deployment_id is None:
            return None
        read_at, entrypoint = self._entrypoints.get(deployment_id, (0.0, ""))
        if not entrypoint or time.monotonic() - read_at > ENTRYPOINT_KEPT_SECONDS:
            try:
                entrypoint = (await self.client.read_deployment(deployment_id)).entrypoint or ""
            except ObjectNotFound:
                await self._mark_flow_run_as_cancelled(
                    flow_run, {"message": "Its deployment no longer exists."}
                )
                return None
            self._entrypoints[deployment_id] = (time.monotonic(), entrypoint)
        if message := refusal(entrypoint, self._other_entrypoints):
            self._logger.error("Flow run '%s' is refused: %s", flow_run.id, message)
            await self.client.set_flow_run_state(flow_run.id, Failed(message=message))
            return None
        return entrypoint

    def _check_pool(self) -> None:
        pool = self._work_pool
        if pool is None:
            raise WorkerRefused(
                f"There is no work pool {self._work_pool_name!r}. Make it with"
                f" `prefect work-pool create {self._work_pool_name} --type {TYPE}`."
            )
        if pool.type != TYPE:
            raise WorkerRefused(
                f"Work pool {pool.name!r} is of type {pool.type!r}, and this worker serves pools of type"
                f" {TYPE!r}. Start a worker of that type, or make another pool for this one."
            )

    @asynccontextmanager
    async def _services(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as services:
            services.start_soon(self._listen)
            services.start_soon(self._pick_up_when_woken)
            services.start_soon(self._rescue.keep_sweeping)
            services.start_soon(keep_following_up)
            services.start_soon(self._backlog.keep_looking)
            yield
            services.cancel_scope.cancel()

    async def _listen(self) -> None:
        assert self._work_pool is not None  # noqa: S101 - checked at set-up
        async for owners in scheduled_runs_heard(self._work_pool.id):
            self._backlog.heard_of(owners)
            self._looks = LOOKS_PER_EVENT
            self._wake.set()

    async def _pick_up_when_woken(self) -> None:
        """Polling goes on beside this as the durable path: events may be lost."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            looks, self._looks = self._looks, 1
            try:
                for _ in range(looks):
                    if await self.get_and_submit_flow_runs():
                        break
                    await anyio.sleep(SECONDS_BETWEEN_LOOKS)
            except Exception:
                self._logger.debug("Looking for runs failed; the next poll will", exc_info=True)
