"""Register the service's deployments and those in the user's prefect.yaml with the Prefect server.

The local stack runs this module in a separate process, so that the slow imports run while the server starts.
`report-exports register` calls `apply`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from deployments import server_check
from deployments.deployment_list import DeploymentsInvalid, read_deployments, write_file
from deployments.schedule_check import find_invalid_schedules
from deployments.warm_worker import WarmWorker
from flows.reports import LoadedReports

# Slow webhook receivers must not occupy all worker slots, so webhooks have their own queue with a low
# concurrency limit.
QUEUE_CONCURRENCY_LIMIT = 2


def import_flows(deployments: list[dict[str, Any]]) -> None:
    """Import each flow's module, so that import errors are raised.

    Otherwise, Prefect would register a placeholder for a flow that cannot be imported.
    """
    for deployment in deployments:
        import_module(deployment["entrypoint"].rpartition(".")[0])


def wait_for_server() -> None:
    """Poll the server every 0.1 s until it is healthy."""
    with server_check.impatient_client() as client:
        while client.api_healthcheck() is not None:
            time.sleep(0.1)


def create_pools(deployments: list[dict[str, Any]]) -> None:
    pools = {deployment["work_pool"]["name"] for deployment in deployments}
    with get_client(sync_client=True) as client:
        for name in pools:
            with suppress(ObjectAlreadyExists):
                client.create_work_pool(
                    WorkPoolCreate(
                        name=name,
                        type=WarmWorker.type,
                        base_job_template=WarmWorker.get_default_base_job_template(),
                    )
                )
        for pool, queue in _list_queues(deployments):
            with suppress(ObjectAlreadyExists):
                client.create_work_queue(
                    queue, concurrency_limit=QUEUE_CONCURRENCY_LIMIT, work_pool_name=pool
                )


def _list_queues(deployments: list[dict[str, Any]]) -> set[tuple[str, str]]:
    pools = [deployment["work_pool"] for deployment in deployments]
    return {(pool["name"], pool["work_queue_name"]) for pool in pools if "work_queue_name" in pool}


class RegistrationFailed(Exception):
    """The Prefect server cannot be reached or has rejected a deployment, or prefect.yaml is invalid."""


def apply(loaded: LoadedReports, wait_seconds: float, report: Callable[[str], object]) -> list[str]:
    """Register the deployments. Return a line for each pool, queue and deployment that has changed.

    While the server cannot be used, the reason is passed to `report`.

    Raises RegistrationFailed if the server cannot be reached or rejects a deployment, or if the runs of a
    schedule in the user's prefect.yaml would fail because of its parameters. Schedules are not checked if no
    reports are loaded.
    """
    try:
        deployments = read_deployments(os.environ)
    except DeploymentsInvalid as error:
        raise RegistrationFailed(str(error)) from None
    invalid = find_invalid_schedules(deployments, loaded, datetime.now(UTC)) if loaded.reports else ()
    if message := "\n".join(invalid):
        raise RegistrationFailed(message)
    try:
        server_check.wait_until_usable(report, wait_seconds)
    except server_check.ServerUnusable as error:
        raise RegistrationFailed(str(error)) from None
    before = _read_registered()
    command = [sys.executable, "-P", "-m", "deployments.register"]
    # The output is captured, because `prefect deploy` prints far more than the changes.
    finished = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own module
    if finished.returncode:
        raise RegistrationFailed(f"prefect deploy failed:\n{finished.stdout}{finished.stderr}")
    return describe_changes(before, _read_registered())


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each item that was created or updated.

    Both arguments map titles, such as `Work pool exports`, to attributes.
    """
    created = [f"{title}: created" for title in after if title not in before]
    changed = [f"{title}: updated" for title in after if title in before and after[title] != before[title]]
    return created + changed


def _read_registered() -> dict[str, Any]:
    """Map the title of each pool, queue and deployment to its attributes on the server.

    Items that do not exist on the server yet are omitted.
    """
    deployments = read_deployments(os.environ)
    registered: dict[str, Any] = {}
    with get_client(sync_client=True) as client:
        for name in sorted({deployment["work_pool"]["name"] for deployment in deployments}):
            with suppress(ObjectNotFound):
                registered[f"Work pool {name}"] = client.read_work_pool(name).type
        for pool, queue in sorted(_list_queues(deployments)):
            with suppress(ObjectNotFound):
                limit = client.read_work_queue_by_name(queue, pool).concurrency_limit
                registered[f"Work queue {pool}/{queue}"] = limit
        for deployment in deployments:
            name = f"{_flow_name(deployment['entrypoint'])}/{deployment['name']}"
            with suppress(ObjectNotFound):
                registered[f"Deployment {name}"] = _attributes(client.read_deployment_by_name(name))
    return registered


def _flow_name(entrypoint: str) -> str:
    module, _, name = entrypoint.rpartition(".")
    return str(getattr(import_module(module), name).name)


def _attributes(deployment: Any) -> dict[str, Any]:
    attributes = deployment.model_dump(
        mode="json", include={"description", "entrypoint", "work_pool_name", "work_queue_name", "version"}
    )
    schedules = [
        item.schedule.model_dump(mode="json", exclude={"anchor_date"}) for item in deployment.schedules
    ]
    return {**attributes, "parameters": deployment.parameter_openapi_schema, "schedules": schedules}


def main() -> None:
    try:
        deployments = read_deployments(os.environ)
    except DeploymentsInvalid as error:
        sys.exit(str(error))
    import_flows(deployments)
    wait_for_server()
    create_pools(deployments)
    with TemporaryDirectory() as folder:
        file = write_file(deployments, Path(folder))
        sys.argv[1:] = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        app()


if __name__ == "__main__":
    main()
