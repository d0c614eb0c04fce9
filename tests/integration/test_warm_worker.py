"""The warm worker treats runs as Prefect's stock process worker does, only sooner."""

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
# Longer than any test here: what starts sooner was not found by polling.
POLLING_SECONDS = 60


@dataclass
class Workers:
    others: ExtraProcesses
    prefect: httpx.Client
    warm: subprocess.Popen[bytes]

    def deployment(self, flow: str, pool: str = WARM, **facts: Any) -> str:
        return deploy(self.prefect, flow, f"{FLOWS}.{flow}", pool, **facts)

    def start(self, flow: str, pool: str = WARM, **parameters: Any) -> str:
        return flow_runs.start(self.prefect, self.deployment(flow, pool), parameters)


@pytest.fixture(scope="module")
def workers(stack: Stack, prefect: httpx.Client) -> Iterator[Workers]:
    create_pool(prefect, WARM, "warm")
    create_pool(prefect, STOCK, "process")
    with extra_processes(stack) as others:
        warm = others.start_warm_worker(
            WARM,
            *("--limit", str(LIMIT)),
            PREFECT_WORKER_QUERY_SECONDS=str(POLLING_SECONDS),
            **ANY_ENTRYPOINT,
        )
        stock = others.start_process_worker(STOCK, PREFECT_WORKER_QUERY_SECONDS="1")
        others.wait_for_output(warm, "started!")
        others.wait_for_output(stock, "started!")
        yield Workers(others, prefect, warm)


def ended(workers: Workers, flow: str, pool: str) -> str:
    return workers.start(flow, pool)


def cancelled_while_it_runs(workers: Workers, flow: str, pool: str) -> str:
    run_id = workers.start(flow, pool, seconds=60)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    flow_runs.cancel(workers.prefect, run_id)
    return run_id


def cancelled_before_it_is_due(workers: Workers, flow: str, pool: str) -> str:
    run_id = flow_runs.start(workers.prefect, workers.deployment(flow, pool), {"seconds": 1}, in_seconds=3600)
    flow_runs.cancel(workers.prefect, run_id)
    return run_id


WAYS: dict[str, tuple[str, Callable[[Workers, str, str], str]]] = {
    "Completed": ("completes", ended),
    "Failed": ("fails", ended),
    "Failed by a task": ("fails_in_a_task", ended),
    "Completed after a retry": ("is_retried", ended),
    "TimedOut": ("times_out", ended),
    "Cancelled while it runs": ("sleeps", cancelled_while_it_runs),
    "Cancelled before it is due": ("sleeps", cancelled_before_it_is_due),
}


@dataclass(frozen=True)
class Course:
    """What became of one run: the names of its states, how often it ran, its last message."""

    states: list[str]
    run_count: int
    message: str


@pytest.fixture(scope="module")
def courses(workers: Workers) -> dict[tuple[str, str], Course]:
    pairs = [(way, pool) for way in WAYS for pool in (STOCK, WARM)]
    started = {(way, pool): WAYS[way][1](workers, WAYS[way][0], pool) for way, pool in pairs}
    runs = flow_runs.wait_until_finished(workers.prefect, *started.values(), within_seconds=120)
    return {pair: course(workers.prefect, run) for pair, run in zip(started, runs, strict=True)}


def course(prefect: httpx.Client, run: dict[str, Any]) -> Course:
    names = [each["name"] for each in flow_runs.states(prefect, run["id"])]
    return Course(names, run["run_count"], run["state"]["message"] or "")


@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_the_way_it_goes_under_the_stock_worker(
    courses: dict[tuple[str, str], Course], way: str
) -> None:
    warm, stock = courses[way, WARM], courses[way, STOCK]
    assert warm.states == [name for name in stock.states if name != "Submitting"]
    assert warm.run_count == stock.run_count
    assert warm.message.partition("process")[0] == stock.message.partition("process")[0]


def test_the_log_of_a_run_is_in_prefect(workers: Workers) -> None:
    run_id = workers.start("completes")
    flow_runs.wait_until_finished(workers.prefect, run_id)
    wanted = {"logs": {"flow_run_id": {"any_": [run_id]}}}
    lines: list[str] = []
    for _ in range(100):
        lines = [line["message"] for line in workers.prefect.post("/logs/filter", json=wanted).json()]
        if any("Finished in state" in line for line in lines):
            break
        time.sleep(0.1)
    assert "a line of the flow" in lines


def test_as_many_runs_go_at_once_as_the_limit_says_and_the_next_starts_when_one_ends(
    workers: Workers,
) -> None:
    spans = spans_of(workers, [workers.start("sleeps", seconds=1.0) for _ in range(2 * LIMIT)])
    assert most_at_once(spans) == LIMIT
    first_ends, next_starts = sorted(end for _, end in spans)[0], sorted(start for start, _ in spans)[LIMIT]
    assert next_starts - first_ends < POLLING_SECONDS / 2


def test_a_deployments_own_limit_holds(workers: Workers) -> None:
    limited = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
    deployment = deploy(workers.prefect, "sleeps", f"{FLOWS}.sleeps", WARM, name="one at a time", **limited)
    runs = [flow_runs.start(workers.prefect, deployment, {"seconds": 2}) for _ in range(2)]
    found = flow_runs.wait_until_finished(workers.prefect, *runs)
    assert sorted(run["state_type"] for run in found) == ["CANCELLED", "COMPLETED"]


def test_the_pools_own_limit_holds(workers: Workers) -> None:
    workers.prefect.patch(f"/work_pools/{WARM}", json={"concurrency_limit": 1}).raise_for_status()
    try:
        spans = spans_of(workers, [workers.start("sleeps", seconds=0.5) for _ in range(3)])
    finally:
        workers.prefect.patch(f"/work_pools/{WARM}", json={"concurrency_limit": None})
    assert most_at_once(spans) == 1


def test_a_process_that_is_killed_while_it_waits_costs_nothing(workers: Workers) -> None:
    for process in warm_processes(workers.warm):
        process.kill()
    run_id = workers.start("completes")
    (run,) = flow_runs.wait_until_finished(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)


def test_a_process_that_is_killed_costs_its_own_run_only(workers: Workers, tmp_path: Path) -> None:
    """As under the stock worker: a run of a flow that keeps no heartbeat stays Crashed."""
    pid_file = tmp_path / "pid"
    killed = workers.start("sleeps", seconds=60, pid_file=str(pid_file))
    other = workers.start("sleeps", seconds=2)
    process_in(pid_file).kill()
    first, second = flow_runs.wait_until_finished(workers.prefect, killed, other)
    assert first["state_type"] == "CRASHED"
    assert second["state_type"] == "COMPLETED"


def test_a_process_that_is_frozen_costs_its_own_run_only(workers: Workers, tmp_path: Path) -> None:
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


def test_a_stopped_worker_hands_its_run_to_the_next(workers: Workers) -> None:
    workers.prefect.post("/work_pools/", json={"name": "handed-over", "type": "warm"}).raise_for_status()
    worker = workers.others.start_warm_worker(
        "handed-over", "--grace", "0.2", "--limit", "1", **ANY_ENTRYPOINT
    )
    run_id = workers.start("sleeps", "handed-over", seconds=3)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    worker.terminate()
    assert worker.wait(15) == 0
    assert flow_runs.read(workers.prefect, run_id)["state_name"] == "AwaitingRetry"
    workers.others.start_warm_worker("handed-over", "--limit", "1", **ANY_ENTRYPOINT)
    (run,) = flow_runs.wait_until_finished(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 2)


def test_a_stopped_worker_lets_a_run_end_within_its_grace(workers: Workers) -> None:
    workers.prefect.post("/work_pools/", json={"name": "graceful", "type": "warm"}).raise_for_status()
    worker = workers.others.start_warm_worker("graceful", "--grace", "20", "--limit", "1", **ANY_ENTRYPOINT)
    run_id = workers.start("sleeps", "graceful", seconds=1)
    flow_runs.wait_for_state(workers.prefect, run_id, "RUNNING")
    worker.terminate()
    assert worker.wait(15) == 0
    run = flow_runs.read(workers.prefect, run_id)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)


def test_a_run_with_a_foreign_entrypoint_fails_without_running(workers: Workers, tmp_path: Path) -> None:
    create_pool(workers.prefect, "strict", "warm")
    worker = workers.others.start_warm_worker("strict", "--limit", "1")
    workers.others.wait_for_output(worker, "started!")
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
    ("pool", "sentence"),
    [
        ("nobody-made-it", "There is no work pool 'nobody-made-it'. Make it with"),
        (STOCK, f"Work pool '{STOCK}' is of type 'process', and this worker serves pools of type 'warm'."),
    ],
)
def test_a_pool_that_it_cannot_serve_is_refused_in_a_sentence(
    workers: Workers, pool: str, sentence: str
) -> None:
    refused = workers.others.start_warm_worker(pool)
    assert refused.wait(60) == 2
    assert sentence in " ".join(workers.others.output(refused).split())
    assert "Traceback" not in workers.others.output(refused)


def test_a_prefect_that_it_was_not_tested_with_is_refused_in_a_sentence(
    workers: Workers, tmp_path: Path
) -> None:
    script = tmp_path / "with_another_prefect.py"
    script.write_text(
        "import sys\n"
        "from deployments import cli\n"
        "from deployments.warm_worker import prefect_internals\n"
        "prefect_internals.TESTED_VERSION = '2.0.0'\n"
        "sys.exit(cli.main(['worker']))\n"
    )
    refused = workers.others.start(str(script))
    assert refused.wait(60) == 2
    said = " ".join(workers.others.output(refused).split())
    assert "The warm worker was tested with Prefect 2.0.0, and 3." in said
    assert "use a work pool of type process meanwhile" in said
    assert "Traceback" not in said


def spans_of(workers: Workers, run_ids: list[str]) -> list[tuple[float, float]]:
    runs = flow_runs.wait_until_finished(workers.prefect, *run_ids)
    assert {run["state_type"] for run in runs} == {"COMPLETED"}
    return [
        (flow_runs.epoch_seconds(run["start_time"]), flow_runs.epoch_seconds(run["end_time"])) for run in runs
    ]


def most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(1 for start, end in spans if start <= moment < end) for moment, _ in spans)


def warm_processes(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The children of the fork server, which is a child of the worker."""
    children = psutil.Process(worker.pid).children()
    return [grandchild for child in children for grandchild in child.children()]


def process_in(pid_file: Path) -> psutil.Process:
    until = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < until, "the flow has not begun"
        time.sleep(0.02)
    return psutil.Process(int(pid_file.read_text()))
