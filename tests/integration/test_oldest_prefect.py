"""Test that a warm worker running the oldest supported Prefect works with the installed Prefect server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.warm_worker.versions import NEWEST, OLDEST, installed_version
from tests.integration.test_warm_worker import process_in
from tests.support import flow_runs
from tests.support.extra_processes import (
    ROOT,
    ExtraProcesses,
    create_pool,
    deploy,
    deploy_export,
    extra_processes,
)
from tests.support.running_stack import Stack

POOL, FLOWS = "oldest", "tests.integration.small_flows"
REQUIREMENTS = Path(ROOT) / "tests" / "requirements-oldest.txt"
FINAL_STATES = {
    "completes": "Completed",
    "fails": "Failed",
    "is_retried": "Completed",
    "times_out": "TimedOut",
}
REQUEST = {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"}


class OldestWorker:
    def __init__(self, processes: ExtraProcesses, prefect: httpx.Client, packages: Path) -> None:
        self._prefect = prefect
        python_path = f"{packages}:{ROOT}"
        version = subprocess.run(
            [sys.executable, "-c", "import prefect; print(prefect.__version__)"],
            env={"PYTHONPATH": python_path}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert version.stdout.strip() == OLDEST
        create_pool(prefect, POOL, "warm")
        options = ("--limit", "3")
        self.process = processes.start_warm_worker(
            POOL, *options, PYTHONPATH=python_path, REPORTS_WORKER_ENTRYPOINTS="*"
        )
        processes.wait_for_output(self.process, "started!")
        assert "is tested with" not in processes.output(self.process)

    def start(self, flow: str, **parameters: object) -> str:
        deployment = deploy(self._prefect, flow, f"{FLOWS}.{flow}", POOL)
        return flow_runs.start(self._prefect, deployment, parameters)


@pytest.fixture(scope="module")
def worker(
    stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OldestWorker]:
    """Start a worker that imports the oldest supported Prefect instead of the installed version."""
    packages = tmp_path_factory.mktemp("oldest")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    options = ("--no-deps", "--no-compile", "--require-hashes", "--target", str(packages))
    subprocess.run([*pip, *options, "--requirement", str(REQUIREMENTS)], check=True)  # noqa: S603
    with extra_processes(stack) as processes:
        yield OldestWorker(processes, prefect, packages)


def test_runs_end_in_the_right_state(worker: OldestWorker, prefect: httpx.Client) -> None:
    run_ids = {flow: worker.start(flow) for flow in FINAL_STATES}
    runs = flow_runs.wait_until_finished(prefect, *run_ids.values())
    assert dict(zip(run_ids, [run["state_name"] for run in runs], strict=True)) == FINAL_STATES


def test_a_running_flow_can_be_cancelled(worker: OldestWorker, prefect: httpx.Client) -> None:
    run_id = worker.start("sleeps", seconds=60)
    flow_runs.wait_for_state(prefect, run_id, "RUNNING")
    flow_runs.cancel(prefect, run_id)
    (run,) = flow_runs.wait_until_finished(prefect, run_id)
    assert run["state_type"] == "CANCELLED"


def test_a_killed_process_crashes_only_its_run(
    worker: OldestWorker, prefect: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    killed = worker.start("sleeps", seconds=60, pid_file=str(file))
    process_in(file).kill()
    other = worker.start("completes")
    runs = flow_runs.wait_until_finished(prefect, killed, other)
    assert [run["state_type"] for run in runs] == ["CRASHED", "COMPLETED"]


def test_an_export_completes(worker: OldestWorker, prefect: httpx.Client) -> None:
    deployment = deploy_export(prefect, POOL, POOL)
    run_id = flow_runs.start(prefect, deployment, {"request": REQUEST})
    (run,) = flow_runs.wait_until_finished(prefect, run_id)
    assert run["state_type"] == "COMPLETED", run["state"]


def test_this_environment_has_the_newest_prefect() -> None:
    assert installed_version() == NEWEST
