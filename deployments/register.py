"""Register the deployments in prefect.yaml with the Prefect server.

The local stack runs this module in a separate process, so its slow imports overlap with the server's start.
"""

import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped]  # types-PyYAML is not installed
from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from deployments.warm_worker import WarmWorker

# Slow webhook receivers must not occupy all worker slots, so separate queues have a low limit.
QUEUE_CONCURRENCY_LIMIT = 2
PREFECT_YAML = Path(__file__).resolve().parent.parent / "prefect.yaml"


def import_flows(deployments: list[dict[str, Any]]) -> None:
    """Import each flow's module, because Prefect registers a placeholder if the import fails."""
    for deployment in deployments:
        import_module(deployment["entrypoint"].rpartition(".")[0])


def wait_for_server(health_url: str) -> None:
    """Poll the server every 0.1 s until it is healthy. Prefect's client would poll less often."""
    while True:
        try:
            httpx.get(health_url, timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return


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


def main() -> None:
    deployments = yaml.safe_load(PREFECT_YAML.read_text())["deployments"]
    import_flows(deployments)
    wait_for_server(f"{os.environ['PREFECT_API_URL']}/health")
    create_pools(deployments)
    sys.argv[1:] = ["--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_YAML)]
    app()


if __name__ == "__main__":
    main()
