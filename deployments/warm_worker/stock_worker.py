"""Serve a `warm` work pool on versions of Prefect that the warm worker has not been tested with.

This worker is slower, but it uses only the public API of Prefect. It starts `prefect flow-run execute` for
each run. In that process, Prefect handles states, cancellation and crashes. Like the warm worker, this worker
reschedules lost runs and follows up on scheduled runs. Unlike the warm worker, it does not let callers take
turns.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import InfrastructureNotFound
from prefect.states import Failed
from prefect.workers.base import BaseWorker

from deployments.warm_worker.after_run_loop import follow_up_forever
from deployments.warm_worker.entrypoints import check_entrypoint, check_pull_steps
from deployments.warm_worker.rescue import WORKER_STOPPED, Rescuer
from deployments.warm_worker.server_clock import ServerClock
from deployments.warm_worker.work_pool import (
    DEFAULT_LIMIT,
    JOB_TEMPLATE,
    TYPE,
    WarmConfiguration,
    WarmResult,
    WarmVariables,
    check_pool,
)
from flows.settings import Settings


class StockWorker(BaseWorker[WarmConfiguration, WarmVariables, WarmResult]):
    type = TYPE
    job_configuration = WarmConfiguration
    job_configuration_variables = WarmVariables
    _display_name = "Warm"
    _description = "Runs flows in preloaded processes, so a run starts in 0.3 s instead of 10 s."

    def __init__(self, work_pool_name: str, *, runs_per_process: int = 1, **options: Any) -> None:
        """Accept the warm worker's options. `runs_per_process` has no effect here."""
        if options.get("limit") is None:
            options["limit"] = DEFAULT_LIMIT
        super().__init__(work_pool_name, **options)
        self._processes: dict[UUID, asyncio.subprocess.Process] = {}
        self._draining = False
        self._other_entrypoints = Settings().other_entrypoints

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        return JOB_TEMPLATE

    async def setup(self) -> None:
        await super().setup()
        check_pool(self._work_pool, self._work_pool_name)
        # If the processes were passed as `own`, the rescuer would kill processes that are still starting.
        clock = ServerClock(self.client).now
        self._rescuer = Rescuer(self.client, self._work_pool_name, {}, self._processes.keys(), clock)
        await self._exit_stack.enter_async_context(self._services())

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        return [] if self._draining else await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        """Execute the run in a new process. Job variables are ignored, as in the warm worker."""
        task_status = task_status or anyio.TASK_STATUS_IGNORED
        if message := await self._check(flow_run):
            self._logger.error("Flow run '%s' was rejected: %s", flow_run.id, message)
            await self.client.set_flow_run_state(flow_run.id, Failed(message=message))
            task_status.started(os.getpid())
            return WarmResult(identifier="refused", status_code=0)
        command = [sys.executable, "-m", "prefect", "flow-run", "execute", str(flow_run.id)]
        environment = {**os.environ, "PREFECT__FLOW_RUN_ID": str(flow_run.id)}
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        self._processes[flow_run.id] = process
        task_status.started(process.pid)
        try:
            code = await process.wait()
        finally:
            del self._processes[flow_run.id]
        return WarmResult(identifier=str(process.pid), status_code=code)

    async def kill_infrastructure(
        self, infrastructure_pid: str, configuration: WarmConfiguration, grace_seconds: int = 30
    ) -> None:
        """End the process of a run that was cancelled before its flow started.

        If the flow is already running, the process ends by itself.
        """
        for process in self._processes.values():
            if str(process.pid) == infrastructure_pid:
                process.terminate()
                return
        raise InfrastructureNotFound(f"Process {infrastructure_pid} does not exist.")

    async def drain(self, seconds: float) -> None:
        """Stop claiming runs. After `seconds`, kill unfinished runs and reschedule them."""
        self._draining = True
        with anyio.move_on_after(seconds):
            while self._processes:  # noqa: ASYNC110 - a poll twice a second is cheap
                await anyio.sleep(0.5)
        unfinished = dict(self._processes)
        for run_id, process in unfinished.items():
            process.kill()
            await process.wait()
            await self._rescuer.reschedule(run_id, WORKER_STOPPED)

    async def _check(self, flow_run: FlowRun) -> str | None:
        """Return an error message, or None if this run may start."""
        if flow_run.deployment_id is None:
            return "The worker executes only flow runs that belong to a deployment."
        deployment = await self.client.read_deployment(flow_run.deployment_id)
        refusal = check_entrypoint(deployment.entrypoint or "", self._other_entrypoints)
        return refusal or check_pull_steps(deployment.pull_steps, self._other_entrypoints)

    @asynccontextmanager
    async def _services(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as services:
            services.start_soon(self._rescuer.sweep_forever)
            services.start_soon(follow_up_forever)
            yield
            services.cancel_scope.cancel()
