"""Define the `warm` work pool type, and check whether a worker can serve a work pool."""

import os
from typing import Any

from prefect.client.schemas.objects import WorkPool
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult

TYPE = "warm"
DEFAULT_LIMIT = 2 * (os.cpu_count() or 1)
RUNS_PER_PROCESS = 50


class WorkerRefused(RuntimeError):
    """The worker cannot serve this work pool. The message says what to do."""


class WarmVariables(BaseVariables):
    """The job variables of the work pool. There are none, because processes start before runs are known."""


# Prefect's default template lists variables that these workers ignore. With that template, the server checks
# the schema of these variables each time a run is created. This check took 4% of the server's CPU time.
JOB_TEMPLATE: dict[str, Any] = {
    "job_configuration": {"env": {}},
    "variables": {"type": "object", "properties": {}},
}


class WarmConfiguration(BaseJobConfiguration):
    pass


class WarmResult(BaseWorkerResult):
    pass


def check_pool(pool: WorkPool | None, name: str) -> None:
    """Raise WorkerRefused unless the pool exists and has the right type."""
    if pool is None:
        raise WorkerRefused(
            f"Work pool {name!r} does not exist. Run `report-exports register`, which creates the pool in"
            f" REPORTS_WORK_POOL, or `prefect work-pool create {name} --type {TYPE}`."
        )
    if pool.type != TYPE:
        raise WorkerRefused(
            f"Work pool {pool.name!r} is of type {pool.type!r}, but this worker serves pools of type"
            f" {TYPE!r}. Start a worker of type {pool.type!r}, or create a pool of type {TYPE!r}."
        )
