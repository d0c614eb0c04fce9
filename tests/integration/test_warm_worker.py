"""Test that runs end in the same states under the warm worker as under Prefect's process worker."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support import flow_runs
from tests.support.extra_processes import ExtraProcesses, create_pool, deploy, extra_processes
from tests.support.running_stack import Stack

FLOWS = "tests.integration.small_flows"
WARM, STOCK = "warm-tests", "stock-tests"
LIMIT = 3
ANY_ENTRYPOINT = {"REPORTS_WORKER_ENTRYPOINTS": "*"}
SMALL_FLOWS = {
    "REPORTS_WORKER_ENTRYPOINTS": ",".join(f"{FLOWS}.{name}" for name in ("completes", "fails", "sleeps"))
}
# This is longer than any test in this file, so polling cannot have found a run that starts during a test.
POLLING_SECONDS = 60


@dataclass
class Workers:
    processes: ExtraProcesses
    prefect: httpx.Client
    warm: subprocess.Popen[bytes]

    def deployment(self, flow: str, pool: str = WARM, **options: Any) -> str:
        return deploy(self.prefect, flow, f"{FLOWS}.{flow}", pool, **options)

    def start(self, flow: str, pool: str = WARM, **parameters: Any) -> str:
        return flow_runs.start(self.prefect, self.deployment(flow, pool), parameters)


@pytest.fixture(scope="module")
def workers(stack: Stack, prefect: httpx.Client) -> Iterator[Workers]:
    create_pool(prefect, WARM, "warm")
    create_pool(prefect, STOCK, "process")
    with extra_processes(stack) as processes:
        warm = processes.start_warm_worker(
            WARM,
            *("--limit", str(LIMIT)),
            PREFECT_WORKER_QUERY_SECONDS=str(POLLING_SECONDS),
            **ANY_ENTRYPOINT,
        )
        stock = processes.start_process_worker(STOCK, PREFECT_WORKER_QUERY_SECONDS="1")
        processes.wait_for_output(warm, "started!")
        processes.wait_for_output(stock, "started!")
        yield Workers(processes, prefect, warm)


def run_to_its_end(workers: Workers, flow: str, pool: str) -> str:
    return workers.start(flow, pool)


def cancel_while_running(workers: Workers, flow: str, pool: str) -> str:
    run_id = workers.start(flow, pool, seconds=60)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    flow_runs.cancel(workers.prefect, run_id)
    return run_id


def cancel_before_start(workers: Workers, flow: str, pool: str) -> str:
    run_id = flow_runs.start(workers.prefect, workers.deployment(flow, pool), {"seconds": 1}, in_seconds=3600)
    flow_runs.cancel(workers.prefect, run_id)
    return run_id


SCENARIOS: dict[str, tuple[str, Callable[[Workers, str, str], str]]] = {
    "Completed": ("completes", run_to_its_end),
    "Failed": ("fails", run_to_its_end),
    "Failed by a task": ("fails_in_a_task", run_to_its_end),
    "Completed after a retry": ("is_retried", run_to_its_end),
    "TimedOut": ("times_out", run_to_its_end),
    "Cancelled while running": ("sleeps", cancel_while_running),
    "Cancelled before its start": ("sleeps", cancel_before_start),
}


@dataclass(frozen=True)
class History:
    """A finished run's state names, run count and last message."""

    states: list[str]
    run_count: int
    message: str


@pytest.fixture(scope="module")
def histories(workers: Workers) -> dict[tuple[str, str], History]:
    pairs = [(scenario, pool) for scenario in SCENARIOS for pool in (STOCK, WARM)]
    run_ids = {}
    for scenario, pool in pairs:
        flow, start = SCENARIOS[scenario]
        run_ids[scenario, pool] = start(workers, flow, pool)
    runs = flow_runs.wait_until_finished(workers.prefect, *run_ids.values(), within_seconds=120)
    return {pair: read_history(workers.prefect, run) for pair, run in zip(run_ids, runs, strict=True)}


def read_history(prefect: httpx.Client, run: dict[str, Any]) -> History:
    names = [state["name"] for state in flow_runs.states(prefect, run["id"])]
    return History(names, run["run_count"], run["state"]["message"] or "")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_has_the_same_states_as_under_the_process_worker(
    histories: dict[tuple[str, str], History], scenario: str
) -> None:
    warm, stock = histories[scenario, WARM], histories[scenario, STOCK]
    assert warm.states == [name for name in stock.states if name != "Submitting"]
    assert warm.run_count == stock.run_count
    assert warm.message.partition("process")[0] == stock.message.partition("process")[0]


def test_the_log_of_a_run_is_stored_in_prefect(workers: Workers) -> None:
    run_id = workers.start("completes")
    flow_runs.wait_until_finished(workers.prefect, run_id)
    flow_runs.wait_for_log_line(workers.prefect, run_id, "Finished in state")
    assert "a line of the flow" in flow_runs.log_lines(workers.prefect, run_id)


def test_the_limit_holds_and_the_next_run_starts_when_one_ends(
    workers: Workers,
) -> None:
    spans = spans_of(workers, [workers.start("sleeps", seconds=1.0) for _ in range(2 * LIMIT)])
    assert max_concurrency(spans) == LIMIT
    first_ends, next_starts = sorted(end for _, end in spans)[0], sorted(start for start, _ in spans)[LIMIT]
    assert next_starts - first_ends < POLLING_SECONDS / 2


def test_the_limit_of_a_deployment_holds(workers: Workers) -> None:
    limited = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
    deployment = deploy(workers.prefect, "sleeps", f"{FLOWS}.sleeps", WARM, name="one at a time", **limited)
    runs = [flow_runs.start(workers.prefect, deployment, {"seconds": 2}) for _ in range(2)]
    finished = flow_runs.wait_until_finished(workers.prefect, *runs)
    assert sorted(run["state_type"] for run in finished) == ["CANCELLED", "COMPLETED"]


def test_the_limit_of_the_work_pool_holds(workers: Workers) -> None:
    workers.prefect.patch(f"/work_pools/{WARM}", json={"concurrency_limit": 1}).raise_for_status()
    try:
        spans = spans_of(workers, [workers.start("sleeps", seconds=0.5) for _ in range(3)])
    finally:
        workers.prefect.patch(f"/work_pools/{WARM}", json={"concurrency_limit": None})
    assert max_concurrency(spans) == 1


def test_killing_a_waiting_process_affects_no_run(workers: Workers) -> None:
    for process in warm_processes(workers.warm):
        process.kill()
    run_id = workers.start("completes")
    (run,) = flow_runs.wait_until_finished(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)


def test_killing_a_running_process_affects_only_its_run(workers: Workers, tmp_path: Path) -> None:
    """The flow sends no heartbeats, so the run stays Crashed, just as under the process worker."""
    pid_file = tmp_path / "pid"
    killed = workers.start("sleeps", seconds=60, pid_file=str(pid_file))
    other = workers.start("sleeps", seconds=2)
    process_in(pid_file).kill()
    first, second = flow_runs.wait_until_finished(workers.prefect, killed, other)
    assert first["state_type"] == "CRASHED"
    assert second["state_type"] == "COMPLETED"


def test_freezing_a_process_affects_only_its_run(workers: Workers, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    frozen = workers.start("sleeps", seconds=60, pid_file=str(pid_file))
    process = process_in(pid_file)
    process.suspend()
    others = flow_runs.wait_until_finished(
        workers.prefect, *(workers.start("completes") for _ in range(LIMIT))
    )
    assert {run["state_type"] for run in others} == {"COMPLETED"}
    flow_runs.cancel(workers.prefect, frozen)
    (run,) = flow_runs.wait_until_finished(workers.prefect, frozen)
    assert run["state_type"] == "CANCELLED"
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_stopped_worker_hands_its_run_to_another(workers: Workers) -> None:
    workers.prefect.post("/work_pools/", json={"name": "handed-over", "type": "warm"}).raise_for_status()
    worker = workers.processes.start_warm_worker(
        "handed-over", "--grace", "0.2", "--limit", "1", **ANY_ENTRYPOINT
    )
    run_id = workers.start("sleeps", "handed-over", seconds=3)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    worker.terminate()
    assert worker.wait(15) == 0
    assert flow_runs.read(workers.prefect, run_id)["state_name"] == "AwaitingRetry"
    workers.processes.start_warm_worker("handed-over", "--limit", "1", **ANY_ENTRYPOINT)
    (run,) = flow_runs.wait_until_finished(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 2)


def test_a_stopped_worker_lets_runs_finish_within_the_grace_period(workers: Workers) -> None:
    workers.prefect.post("/work_pools/", json={"name": "graceful", "type": "warm"}).raise_for_status()
    worker = workers.processes.start_warm_worker(
        "graceful", "--grace", "20", "--limit", "1", **ANY_ENTRYPOINT
    )
    run_id = workers.start("sleeps", "graceful", seconds=1)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    worker.terminate()
    assert worker.wait(15) == 0
    run = flow_runs.read(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)


def test_a_run_with_a_foreign_entrypoint_fails_without_running(workers: Workers, tmp_path: Path) -> None:
    create_pool(workers.prefect, "strict", "warm")
    worker = workers.processes.start_warm_worker("strict", "--limit", "1")
    workers.processes.wait_for_output(worker, "started!")
    proof = tmp_path / "proof"
    deployment = deploy(workers.prefect, "shell", "subprocess.getoutput", "strict")
    foreign = flow_runs.start(workers.prefect, deployment, {"cmd": f"touch {proof}"})
    test_flow = workers.start("completes", "strict")
    for run in flow_runs.wait_until_finished(workers.prefect, foreign, test_flow):
        assert run["state_type"] == "FAILED"
        assert "The worker does not run the entrypoint" in run["state"]["message"]
        assert "REPORTS_WORKER_ENTRYPOINTS" in run["state"]["message"]
    assert not proof.exists()


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("missing-pool", "Work pool 'missing-pool' does not exist. Run `report-exports register`"),
        (STOCK, f"Work pool '{STOCK}' is of type 'process', but this worker serves pools of type 'warm'."),
    ],
)
def test_an_unsuitable_pool_is_rejected_with_an_explanation(
    workers: Workers, pool: str, message: str
) -> None:
    worker = workers.processes.start_warm_worker(pool)
    assert worker.wait(60) == 2
    assert message in " ".join(workers.processes.output(worker).split())
    assert "Traceback" not in workers.processes.output(worker)


@pytest.fixture(scope="module")
def untested(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> subprocess.Popen[bytes]:
    """Start a worker that detects an untested Prefect version."""
    script = tmp_path_factory.mktemp("untested") / "worker.py"
    script.write_text(
        "import sys, importlib.metadata as metadata\n"
        "real = metadata.version\n"
        "metadata.version = lambda name: '3.99.0' if name == 'prefect' else real(name)\n"
        "sys.modules['deployments.warm_worker.processes'] = None\n"  # importing this module now fails
        "from deployments import cli\n"
        "sys.exit(cli.main(['worker', '--pool', 'untested', '--grace', '0']))\n"
    )
    create_pool(workers.prefect, "untested", "warm")
    settings = {"PREFECT_WORKER_QUERY_SECONDS": "1", **SMALL_FLOWS}
    worker = workers.processes.start_in_empty_folder(str(script), **settings)
    workers.processes.wait_for_output(worker, "started!")
    return worker


@pytest.fixture(scope="module")
def untested_runs(workers: Workers, untested: subprocess.Popen[bytes]) -> dict[str, dict[str, Any]]:
    """Run three flows concurrently, because each is slow to start. Cancel the one that sleeps."""
    ids = {flow: workers.start(flow, "untested") for flow in ("completes", "fails")}
    ids["sleeps"] = workers.start("sleeps", "untested", seconds=300)
    flow_runs.wait_for_state(workers.prefect, ids["sleeps"], "RUNNING")
    flow_runs.cancel(workers.prefect, ids["sleeps"])
    runs = flow_runs.wait_until_finished(workers.prefect, *ids.values(), within_seconds=90)
    return dict(zip(ids, runs, strict=True))


@pytest.mark.parametrize(
    ("flow", "state"), [("completes", "COMPLETED"), ("fails", "FAILED"), ("sleeps", "CANCELLED")]
)
def test_untested_prefect_ends_runs_in_the_right_state(
    untested_runs: dict[str, dict[str, Any]], flow: str, state: str
) -> None:
    assert untested_runs[flow]["state_type"] == state


def test_untested_prefect_logs_a_warning(workers: Workers, untested: subprocess.Popen[bytes]) -> None:
    output = " ".join(workers.processes.output(untested).split())
    assert "is tested with Prefect 3.8.8 to 3.9.1, but 3.99.0 is installed" in output


@pytest.mark.parametrize(
    ("entrypoint", "pull_steps", "sentence"),
    [
        ("subprocess.getoutput", [], "The worker does not run the entrypoint"),
        (f"{FLOWS}.completes", [{"prefect.deployments.steps.set_working_directory": {"directory": "/"}}],
         "The worker does not run pull steps"),
    ],
)  # fmt: skip
def test_untested_prefect_runs_only_allowed_code(
    workers: Workers,
    untested: subprocess.Popen[bytes],
    entrypoint: str,
    pull_steps: list[dict[str, Any]],
    sentence: str,
) -> None:
    deployment = deploy(workers.prefect, "shell", entrypoint, "untested", pull_steps=pull_steps)
    (run,) = flow_runs.wait_until_finished(
        workers.prefect, flow_runs.start(workers.prefect, deployment, {}), within_seconds=60
    )
    assert run["state_type"] == "FAILED"
    assert sentence in run["state"]["message"]


def spans_of(workers: Workers, run_ids: list[str]) -> list[tuple[float, float]]:
    runs = flow_runs.wait_until_finished(workers.prefect, *run_ids)
    assert {run["state_type"] for run in runs} == {"COMPLETED"}
    return [
        (flow_runs.epoch_seconds(run["start_time"]), flow_runs.epoch_seconds(run["end_time"])) for run in runs
    ]


def max_concurrency(spans: list[tuple[float, float]]) -> int:
    return max(sum(1 for start, end in spans if start <= time_ < end) for time_, _ in spans)


def warm_processes(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the children of the fork server. The fork server is itself a child of the worker."""
    children = psutil.Process(worker.pid).children()
    return [grandchild for child in children for grandchild in child.children()]


def process_in(pid_file: Path) -> psutil.Process:
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline, "the flow has not started"
        time.sleep(0.02)
    return psutil.Process(int(pid_file.read_text()))
