"""Define the programs that run the Prefect server, register prefect.yaml, and run the worker."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from deployments.stack.child_process import Program
from deployments.stack.environment import is_of_postgres
from deployments.stack.parts.database_roles import PREFECT_DATABASE, PREFECT_OWNER
from deployments.stack.parts.postgres import Cluster

# By default, Python looks for garbage after 700 new objects. With these thresholds, the server, which creates
# many objects per request, uses 12% less CPU time.
RUN_PREFECT = (
    "import gc, runpy; gc.set_threshold(20_000, 20, 10); runpy.run_module('prefect', None, '__main__', True)"
)
SERVER = [sys.executable, "-P", "-c", RUN_PREFECT, "server", "start"]
# The grace period is short, because the whole stack must stop quickly. Unfinished runs are rescheduled.
WORKER = [
    *(sys.executable, "-P", "-m", "report_exports", "worker"),
    *("--name", "local", "--grace", "0.3"),
]

# By default, the server commits each task-run event separately, which blocks its event loop. It stores events
# in batches of 20. An export causes four events of task runs and four events of its flow run.
BATCHED_WRITES = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
# By default, the server closes all but five of its 15 connections after each use. When 20 exports started at
# once, it opened 1.4 connections per export.
KEPT_CONNECTIONS = {
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "15",
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "0",
}
# By default, the server marks each run that has waited for 15 seconds as late. This is another state change
# with an event, so a long queue would become even slower. The server also looks for expired pauses every five
# seconds.
RARE_CHECKS = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
}
# To find out whether its block types have changed, the server would import the worker and all flows, which
# takes 75 MB. With this setting, it registers them at each start, which does not delay the start measurably.
NO_BLOCK_MEMO = {"PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false"}
# A run that becomes due while the server is down starts when the server is back, but only if the server had
# already planned it. The server may plan a run up to a minute late. After the clocks go forward, it also
# counts a past run as a future run. With a minimum of five, at least three future runs are always planned.
PLANNED_RUNS = {"PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "5"}


def server(cluster: Cluster, port: int, home: Path, environment: Mapping[str, str]) -> Program:
    """Return the program that runs Prefect's API, UI and services in one process."""
    url = f"http://127.0.0.1:{port}/api"
    ui = home / "ui"
    home.mkdir(mode=0o700, exist_ok=True)
    ui.mkdir(exist_ok=True)
    return Program(
        role="prefect",
        title="Prefect server",
        command=[*SERVER, "--host", "127.0.0.1", "--port", str(port)],
        environment={
            **{name: value for name, value in environment.items() if not is_of_postgres(name)},
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": cluster.url(PREFECT_DATABASE, "asyncpg", PREFECT_OWNER),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(ui),
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            **_only_for_us(port, environment["PREFECT_API_AUTH_STRING"]),
            **BATCHED_WRITES,
            **KEPT_CONNECTIONS,
            **RARE_CHECKS,
            **PLANNED_RUNS,
            **NO_BLOCK_MEMO,
        },
        is_ready=lambda: is_healthy(f"{url}/health"),
    )


def _only_for_us(port: int, auth_string: str) -> dict[str, str]:
    """Return the settings that protect the server with a password and a list of allowed origins.

    Without a password, any web page that the operator visits could run code through the server. A list of
    allowed origins is not sufficient, because some POST requests need no preflight and the WebSockets ignore
    `Origin`. The server also accepts any host name, so DNS rebinding could make a malicious page same-origin.
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
        # The worker's status on the server cannot be used, because the previous worker still appears to be
        # online for a minute.
        ready_output="started!",
    )


async def is_healthy(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
