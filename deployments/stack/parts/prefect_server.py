"""The parts of the stack that are Prefect's: its server, the deployments of prefect.yaml, the worker."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from deployments.stack.child_process import Program
from deployments.stack.environment import is_of_postgres
from deployments.stack.parts.database_roles import PREFECT_DATABASE, PREFECT_OWNER
from deployments.stack.parts.postgres import Cluster

PREFECT = [sys.executable, "-P", "-m", "prefect"]
POOL = "exports"
# Its grace fits into the seconds in which the whole stack ends; what is left goes back to the queue.
WORKER = [
    *(sys.executable, "-P", "-m", "deployments.cli", "worker"),
    *("--pool", POOL, "--name", "local", "--grace", "0.3"),
]

# The server's default is a transaction for each of a run's twelve task-run events, in its one event loop.
SERVER_WRITES_IN_BATCHES = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
# What is planned survives a server that is away, and runs when it is back; what is not is never planned.
# The next is planned up to a minute after a run has begun, and where clocks leave an hour out one that has
# been counts as to come: so there are always three.
SERVER_PLANS_AHEAD = {"PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "5"}


def server(cluster: Cluster, port: int, home: Path, environment: Mapping[str, str]) -> Program:
    """One process: `prefect server start` runs API, UI and services in it unless told otherwise."""
    url = f"http://127.0.0.1:{port}/api"
    interface = home / "ui"
    home.mkdir(mode=0o700, exist_ok=True)
    interface.mkdir(exist_ok=True)
    return Program(
        role="prefect",
        title="Prefect server",
        command=[*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        environment={
            **{name: value for name, value in environment.items() if not is_of_postgres(name)},
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": cluster.url(PREFECT_DATABASE, "asyncpg", PREFECT_OWNER),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(interface),
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            **_only_for_us(port, environment["PREFECT_API_AUTH_STRING"]),
            **SERVER_WRITES_IN_BATCHES,
            **SERVER_PLANS_AHEAD,
        },
        is_ready=lambda: answers(f"{url}/health"),
    )


def _only_for_us(port: int, auth_string: str) -> dict[str, str]:
    """Without a password, any web page that the operator visits could run code through this server.

    The origin list alone is not enough: some POST requests need no preflight, the server's WebSockets
    ignore `Origin`, and it answers to any host name, which lets a page on a rebound name pass as same-origin.
    """
    return {
        "PREFECT_SERVER_API_AUTH_STRING": auth_string,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
    }


def registration(environment: Mapping[str, str]) -> Program:
    return Program(
        role="deployments",
        title="Deployments of prefect.yaml",
        command=[sys.executable, "-P", "-m", "deployments.register"],
        environment=environment,
    )


def worker(environment: Mapping[str, str]) -> Program:
    return Program(
        role="worker",
        title="Worker",
        command=WORKER,
        environment={**environment, "PREFECT_WORKER_QUERY_SECONDS": "2"},
        # Its entry on the server does not tell: that of the worker before looks alive for a minute.
        says_when_ready="started!",
    )


async def answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
