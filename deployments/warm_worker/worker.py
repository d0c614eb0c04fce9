"""Prefect worker that claims a run as soon as it is scheduled and executes it in a warm process.

It is a regular Prefect worker with a regular work pool. Claiming a run takes one request. The four requests
that Prefect's base class sends between a claim and `run()` are skipped. Prefect's executor handles execution,
cancellation and crash detection.
"""

import asyncio
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
from prefect.workers.base import BaseWorker

from deployments.warm_worker import metrics
from deployments.warm_worker.after_run_loop import follow_up_forever
from deployments.warm_worker.backlog import Backlog
from deployments.warm_worker.claims import check_claim
from deployments.warm_worker.entrypoints import check_entrypoint
from deployments.warm_worker.fair_share import find_owner
from deployments.warm_worker.processes import prefect_internals
from deployments.warm_worker.processes.child import Job
from deployments.warm_worker.processes.pool import KEPT_PROCESSES, WarmProcessPool
from deployments.warm_worker.processes.process import Lease
from deployments.warm_worker.rescue import WORKER_STOPPED, Rescuer
from deployments.warm_worker.scheduled_events import watch_scheduled_runs
from deployments.warm_worker.server_clock import ServerClock
from deployments.warm_worker.work_pool import (
    DEFAULT_LIMIT,
    JOB_TEMPLATE,
    RUNS_PER_PROCESS,
    TYPE,
    WarmConfiguration,
    WarmResult,
    WarmVariables,
    check_pool,
)
from flows.runs.prefect_calls import HEADERS, sent_once
from flows.settings import Settings

ENTRYPOINT_CACHE_SECONDS = 10.0
CRASH_DETECTION_SECONDS = 2.0
# An event can arrive before its run is committed, so the worker queries the due runs several times.
QUERIES_PER_EVENT, SECONDS_BETWEEN_QUERIES = 3, 0.02


class WarmStarter:
    """A starter for Prefect's executor. It uses a warm process instead of starting a new one.

    A process is reused only if its run completed. A failed or cancelled run ends its process.
    """

    def __init__(
        self, pool: WarmProcessPool, entrypoint: str, control_channel: Any, own: dict[UUID, Lease]
    ) -> None:
        self._pool, self._entrypoint, self._control, self._own = pool, entrypoint, control_channel, own

    async def start(
        self, flow_run: FlowRun, task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        process = await self._pool.acquire()
        port, token = self._control.register(flow_run.id)
        environment = {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__FLOW_ENTRYPOINT": self._entrypoint,
            "PREFECT__CONTROL_PORT": str(port),
            "PREFECT__CONTROL_TOKEN": token,
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
        }
        lease = process.start(Job(flow_run, self._entrypoint, environment))
        self._own[flow_run.id] = lease
        task_status.started(prefect_internals.ProcessHandle(cast(Any, lease), lease))
        reusable = False
        try:
            end = await process.wait_for_run()
            lease.returncode = end.exit_code
            reusable = end.completed and not lease.was_signalled
        finally:
            del self._own[flow_run.id]
            self._pool.release(process, reusable)


async def _load_flow(entrypoint: str, _: FlowRun) -> Flow[..., Any]:
    """Load the flow, because the executor needs its hooks. Prefect's loader would also run the pull steps."""
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


class WarmWorker(BaseWorker[WarmConfiguration, WarmVariables, WarmResult]):
    type = TYPE
    job_configuration = WarmConfiguration
    job_configuration_variables = WarmVariables
    _display_name = "Warm"
    _description = "Runs flows in preloaded processes, so a run starts in 0.3 s instead of 10 s."

    def __init__(
        self, work_pool_name: str, *, runs_per_process: int = RUNS_PER_PROCESS, **options: Any
    ) -> None:
        if options.get("limit") is None:
            options["limit"] = DEFAULT_LIMIT
        super().__init__(work_pool_name, **options)
        self._own: dict[UUID, Lease] = {}
        self._runs_per_process = runs_per_process
        self._wake = asyncio.Event()
        self._queries, self._is_woken = 0, False
        self._draining = False
        self._other_entrypoints = Settings().other_entrypoints
        self._entrypoints: dict[UUID, tuple[float, str]] = {}
        self._in_flight: dict[UUID, asyncio.Task[Any]] = {}
        self._owners: dict[UUID, str | None] = {}
        self._read_at: dict[UUID, float] = {}

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        raise NotImplementedError("the warm worker executes only flow runs that belong to a deployment")

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        return JOB_TEMPLATE

    async def setup(self) -> None:
        await super().setup()
        check_pool(self._work_pool, self._work_pool_name)
        self.client._client.headers.update(HEADERS)
        enter = self._exit_stack.enter_async_context
        self._executors = await enter(prefect_internals.FlowRunExecutorContext())
        kept_processes = min(self.limiter_size, KEPT_PROCESSES)
        self._pool = await enter(WarmProcessPool(kept_processes, self._runs_per_process))
        await self._pool.wait_until_ready()
        metrics.limit.set(self.limiter_size)
        metrics.warm.set_function(lambda: self._pool.ready_count)
        claimed = self._submitting_flow_run_ids
        clock = ServerClock(self.client).now
        self._rescuer = Rescuer(self.client, self._work_pool_name, self._own, claimed, clock)
        self._backlog = Backlog(
            self.client, self._work_pool_name, self.name, self._owners, Settings().running_per_caller
        )
        await enter(self._services())

    @property
    def limiter_size(self) -> int:
        return int(self.limiter.total_tokens)

    async def drain(self, seconds: float) -> None:
        """Stop claiming runs. After `seconds`, kill unfinished runs and reschedule them."""
        self._draining = True
        in_flight = dict(self._in_flight)
        if not in_flight:
            return
        await asyncio.wait(in_flight.values(), timeout=seconds)
        unfinished = [run_id for run_id, task in in_flight.items() if not task.done()]
        for run_id in unfinished:
            if (process := self._own.get(run_id)) is not None:
                process.kill()
        await asyncio.wait(in_flight.values(), timeout=CRASH_DETECTION_SECONDS)
        for run_id in unfinished:
            await self._rescuer.reschedule(run_id, WORKER_STOPPED)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        return [] if self._draining else await super().get_and_submit_flow_runs()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """Return the runs to claim now, at most one per free slot.

        The slots are shared fairly among callers.
        """
        if self.limiter.available_tokens < 1:
            return []
        read_at = time.monotonic()
        if scheduled := self._backlog.remaining_runs():
            read_at = self._backlog.queried_at
        else:
            scheduled = await self._query_scheduled_runs()
        due = [run for run in scheduled if run.flow_run.id not in self._submitting_flow_run_ids]
        selected = await self._backlog.next_runs(due, lambda: int(self.limiter.available_tokens))
        # Nothing is awaited between here and the claim, so concurrent reads cannot select the same run.
        self._owners |= {run.flow_run.id: find_owner(run.flow_run.tags) for run in selected}
        self._read_at |= {run.flow_run.id: read_at for run in selected}
        return selected

    async def _query_scheduled_runs(self) -> list[WorkerFlowRunResponse]:
        if not self._is_woken and not await self._backlog.needs_query():
            return []
        queried_at = time.monotonic()
        runs = await super()._get_scheduled_flow_runs()
        self._backlog.on_query(len(runs), queried_at)
        return runs

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Claim the run, execute it, and wait until its process has ended."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - anyio runs on asyncio here
        self._in_flight[flow_run.id] = task
        metrics.running.inc()
        due = flow_run.expected_start_time
        if due is not None:
            metrics.wait_seconds.observe(max(0.0, (datetime.now(UTC) - due).total_seconds()))
        try:
            entrypoint = await self._find_entrypoint(flow_run)
            if entrypoint is not None and await self._propose_pending_state(flow_run):
                claimed = await check_claim(self.client, flow_run, self._read_at[flow_run.id])
                if claimed is None:
                    return
                if await self._backlog.is_within_limit(claimed):
                    await self._execute(claimed, entrypoint)
                else:
                    await self._reschedule(claimed)
        except Exception:
            fields = {"job": str(flow_run.id)}
            self._logger.exception(
                "Flow run '%s' could not be executed", flow_run.id, extra={"fields": fields}
            )
        finally:
            del self._in_flight[flow_run.id]
            self._owners.pop(flow_run.id, None)
            self._read_at.pop(flow_run.id, None)
            metrics.running.dec()
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
            if self._cancelling_observer is not None:
                self._cancelling_observer.remove_in_flight_flow_run_id(flow_run.id)
            self._wake.set()  # This run's slot is free again.

    async def _execute(self, flow_run: FlowRun, entrypoint: str) -> None:
        starter = WarmStarter(self._pool, entrypoint, self._executors.control_channel, self._own)
        executor = self._executors.create_executor(
            flow_run,
            starter,
            resolve_flow=partial(_load_flow, entrypoint),
            propose_submitting=False,
        )
        with sent_once():  # the executor sends only the state Crashed or Cancelled
            await executor.submit()

    async def _reschedule(self, flow_run: FlowRun) -> None:
        """Reschedule the run for its original time, so that it keeps its place in the backlog."""
        message = "The caller has reached their limit of concurrent runs."
        state: State[Any] = Scheduled(scheduled_time=flow_run.expected_start_time, message=message)
        with sent_once():
            await self.client.set_flow_run_state(flow_run.id, state)

    async def _find_entrypoint(self, flow_run: FlowRun) -> str | None:
        """Return the entrypoint of the run's deployment. Deployments are cached for a few seconds.

        If the run must not start, end it and return None.
        """
        deployment_id = flow_run.deployment_id
        if deployment_id is None:
            return None
        read_at, entrypoint = self._entrypoints.get(deployment_id, (0.0, ""))
        if not entrypoint or time.monotonic() - read_at > ENTRYPOINT_CACHE_SECONDS:
            try:
                entrypoint = (await self.client.read_deployment(deployment_id)).entrypoint or ""
            except ObjectNotFound:
                await self._mark_flow_run_as_cancelled(
                    flow_run, {"message": "Its deployment no longer exists."}
                )
                return None
            self._entrypoints[deployment_id] = (time.monotonic(), entrypoint)
        if message := check_entrypoint(entrypoint, self._other_entrypoints):
            self._logger.error("Flow run '%s' was rejected: %s", flow_run.id, message)
            await self.client.set_flow_run_state(flow_run.id, Failed(message=message))
            return None
        return entrypoint

    @asynccontextmanager
    async def _services(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as services:
            services.start_soon(self._listen)
            services.start_soon(self._claim_when_woken)
            services.start_soon(self._rescuer.sweep_forever)
            services.start_soon(follow_up_forever)
            services.start_soon(self._backlog.scan_forever)
            yield
            services.cancel_scope.cancel()

    async def _listen(self) -> None:
        assert self._work_pool is not None  # noqa: S101 - checked in setup()
        async for scheduled in watch_scheduled_runs(self._work_pool.id):
            self._backlog.on_scheduled(scheduled)
            self._queries = QUERIES_PER_EVENT
            self._wake.set()

    async def _claim_when_woken(self) -> None:
        """Claim runs after each event and whenever a slot becomes free.

        Polling continues as well, because events may be lost.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            queries, self._queries = self._queries, 0
            self._is_woken = True
            try:
                if not queries and await self._backlog.has_due_runs():
                    queries = 1
                for _ in range(queries):
                    if await self.get_and_submit_flow_runs():
                        break
                    await anyio.sleep(SECONDS_BETWEEN_QUERIES)
            except Exception:
                self._logger.debug("Reading scheduled runs failed; the next poll retries", exc_info=True)
            finally:
                self._is_woken = False
