"""Test that a worker starts processes when runs need them, and ends idle processes."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.warm_worker.processes.pool import KEPT_PROCESSES
from tests.integration.test_warm_worker import ANY_ENTRYPOINT, FLOWS, warm_processes
from tests.support import flow_runs
from tests.support.extra_processes import create_pool, deploy, extra_processes
from tests.support.running_stack import Stack

POOL = "elastic"
LIMIT = 3 * KEPT_PROCESSES  # on two cores, this is more than the default
IDLE_SECONDS = 12.0
SCRIPT = f"""
import sys
from deployments import cli
from deployments.warm_worker.processes import pool
pool.IDLE_SECONDS, pool.IDLE_CHECK_SECONDS = {IDLE_SECONDS}, 0.2
sys.exit(cli.main(["worker", "--pool", "{POOL}", "--limit", "{LIMIT}", "--grace", "0"]))
"""


@pytest.fixture
def worker(stack: Stack, prefect: httpx.Client, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = tmp_path / "worker.py"
    script.write_text(SCRIPT)
    create_pool(prefect, POOL, "warm")
    with extra_processes(stack) as processes:
        worker = processes.start(str(script), **ANY_ENTRYPOINT)
        processes.wait_for_output(worker, "started!")
        yield worker


def run_at_once(prefect: httpx.Client) -> None:
    """Execute as many runs at the same time as the worker allows."""
    deployment = deploy(prefect, "sleeps", f"{FLOWS}.sleeps", POOL)
    runs = [flow_runs.start(prefect, deployment, {"seconds": 2}) for _ in range(LIMIT)]
    finished = flow_runs.wait_until_finished(prefect, *runs)
    assert {run["state_type"] for run in finished} == {"COMPLETED"}


def pids(worker: subprocess.Popen[bytes]) -> set[int]:
    return {process.pid for process in warm_processes(worker)}


def test_processes_are_started_for_a_burst_reused_and_ended_when_idle(
    prefect: httpx.Client, worker: subprocess.Popen[bytes]
) -> None:
    assert len(pids(worker)) <= KEPT_PROCESSES
    run_at_once(prefect)
    burst = pids(worker)
    assert KEPT_PROCESSES < len(burst) <= LIMIT
    run_at_once(prefect)
    assert burst <= pids(worker)

    deadline = time.monotonic() + 60
    while len(remaining := pids(worker)) > KEPT_PROCESSES:
        assert time.monotonic() < deadline, f"{len(remaining)} processes are still running"
        time.sleep(0.2)
    time.sleep(1)
    assert pids(worker) == remaining
    run_at_once(prefect)
    assert remaining < pids(worker)
