"""Test that a warm process executes many runs, and that no state leaks from one run to the next."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_warm_worker import ANY_ENTRYPOINT, FLOWS
from tests.support import flow_runs
from tests.support.extra_processes import create_pool, deploy, extra_processes
from tests.support.running_stack import Stack

POOL = "reuse"
JOBS_PER_PROCESS = 5
FIRST_NUMBER_AFTER_SEED_1 = 0.13436424411240122


class Runs:
    """Starts runs on a worker that executes one run at a time."""

    def __init__(self, prefect: httpx.Client, folder: Path) -> None:
        self._prefect, self._file = prefect, folder / "state.json"

    def start(self, flow: str, **parameters: Any) -> str:
        deployment = deploy(self._prefect, flow, f"{FLOWS}.{flow}", POOL)
        return flow_runs.start(self._prefect, deployment, parameters)

    def execute(self, flow: str, **parameters: Any) -> dict[str, Any]:
        run_id = self.start(flow, **parameters)
        (run,) = flow_runs.wait_until_finished(self._prefect, run_id)
        return run

    def read_state(self) -> dict[str, Any]:
        """Execute a run and return the process state that it sees."""
        run = self.execute("shows_process_state", state_file=str(self._file))
        assert run["state_type"] == "COMPLETED", run["state"]
        seen: dict[str, Any] = json.loads(self._file.read_text())
        assert seen["state"].pop("run") == run["id"]
        assert seen["state"].pop("runtime") == run["id"]
        return seen

    def read_pid(self) -> int:
        return int(self.read_state()["pid"])

    def replace_process(self) -> None:
        assert self.execute("fails")["state_type"] == "FAILED"


@pytest.fixture(scope="module")
def worker(stack: Stack, prefect: httpx.Client) -> Iterator[None]:
    create_pool(prefect, POOL, "warm")
    with extra_processes(stack) as processes:
        options = ("--limit", "1", "--jobs-per-process", str(JOBS_PER_PROCESS))
        process = processes.start_warm_worker(POOL, *options, **ANY_ENTRYPOINT)
        processes.wait_for_output(process, "started!")
        yield


@pytest.fixture
def runs(worker: None, prefect: httpx.Client, tmp_path: Path) -> Runs:
    return Runs(prefect, tmp_path)


def test_a_run_sees_nothing_of_the_run_before_it(runs: Runs, tmp_path: Path) -> None:
    runs.replace_process()
    before = runs.read_state()
    assert runs.execute("leaks", folder=str(tmp_path))["state_type"] == "COMPLETED"
    after = runs.read_state()
    assert after["pid"] == before["pid"]
    assert after["state"] == before["state"]
    assert after["random"] != FIRST_NUMBER_AFTER_SEED_1


def test_each_run_of_a_process_has_its_log_lines_and_events_in_prefect(
    runs: Runs, prefect: httpx.Client
) -> None:
    runs.replace_process()
    ids = [runs.execute("runs_a_task")["id"] for _ in range(JOBS_PER_PROCESS)]
    for run_id in ids:
        flow_runs.wait_for_log_line(prefect, run_id, "Finished in state Completed()")
        assert flow_runs.log_lines(prefect, run_id).count("a line of the task") == 1
        # Prefect learns about task runs only from events, so this also checks that the events arrived.
        assert flow_runs.wait_for_task_run(prefect, run_id)["state_type"] == "COMPLETED"


def test_a_process_is_replaced_after_its_last_job(runs: Runs) -> None:
    runs.replace_process()
    pids = [runs.read_pid() for _ in range(JOBS_PER_PROCESS + 1)]
    assert len(set(pids[:-1])) == 1
    assert pids[-1] != pids[0]


@pytest.mark.parametrize("flow", ["fails", "fails_in_a_task", "times_out", "leaves_a_thread", "grows"])
def test_a_process_is_replaced_after_a_run_that_failed_or_left_something(runs: Runs, flow: str) -> None:
    runs.replace_process()
    before = runs.read_pid()
    runs.execute(flow)
    assert runs.read_pid() != before


def test_a_process_is_replaced_after_a_cancelled_run(runs: Runs, prefect: httpx.Client) -> None:
    runs.replace_process()
    before = runs.read_pid()
    run_id = runs.start("sleeps", seconds=60)
    flow_runs.wait_for_state(prefect, run_id, "RUNNING")
    flow_runs.cancel(prefect, run_id)
    (run,) = flow_runs.wait_until_finished(prefect, run_id)
    assert run["state_type"] == "CANCELLED"
    assert runs.read_pid() != before
