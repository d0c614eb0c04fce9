"""Applies prefect.yaml. As a process of the stack it does its slow imports while the server still starts."""

import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own
from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from deployments.warm_worker import WarmWorker

# Runs of a queue of its own, so that slow receivers of webhooks leave the workers' places to exports.
AT_A_TIME = 2
PREFECT_YAML = Path(__file__).resolve().parent.parent / "prefect.yaml"


def import_flows(deployments: list[dict[str, Any]]) -> None:
    """Prefect would register a placeholder for a module that cannot be imported; here it is an error."""
    for deployment in deployments:
        import_module(deployment["entrypoint"].rpartition(".")[0])


def wait_for_server(health_url: str) -> None:
    """Not by Prefect's client: that one tries again by itself, at growing intervals."""
    while True:
        try:
            httpx.get(health_url, timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return


def make_pools(deployments: list[dict[str, Any]]) -> None:
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
        for pool, queue in _queues(deployments):
            with suppress(ObjectAlreadyExists):
                client.create_work_queue(queue, concurrency_limit=AT_A_TIME, work_pool_name=pool)


def _queues(deployments: list[dict[str, Any]]) -> set[tuple[str, str]]:
    pools = [deployment["work_pool"] for deployment in deployments]
    return {(pool["name"], pool["work_queue_name"]) for pool in pools if "work_queue_name" in pool}


def main() -> None:
    deployments = yaml.safe_load(PREFECT_YAML.read_text())["deployments"]
    import_flows(deployments)
    wait_for_server(f"{os.environ['PREFECT_API_URL']}/health")
    make_pools(deployments)
    sys.argv[1:] = ["--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_YAML)]
    app()


if __name__ == "__main__":
    main()
