"""Test that the jobs of killed and frozen workers are rescued, and that each job stores one complete file.

The worker that rescues them has a wrong clock. It must not take its own healthy runs for lost.
"""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deployments.warm_worker.rescue import SILENT_SECONDS, WORKER_CRASHED
from flows.errors import WorkerLost
from tests.support import flow_runs
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack
from tests.support.system_programs import require_program, wrong_clock
from tests.support.worker_faults import (
    FAULTS,
    FINISH_TIMEOUT_SECONDS,
    Cluster,
    Outcome,
    RecoveredJob,
    cluster_on,
    inject_faults,
)

ATTEMPTS = 3
SECONDS_FAST = SILENT_SECONDS + 5


@pytest.fixture(scope="module")
def cluster(stack: Stack, prefect: httpx.Client) -> Iterator[Cluster]:
    with cluster_on(stack, prefect) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def outcome(cluster: Cluster) -> Outcome:
    return inject_faults(cluster, wrong_clock(SECONDS_FAST))


@pytest.fixture(scope="module")
def recovered(outcome: Outcome) -> dict[str, RecoveredJob]:
    return outcome.jobs


def test_the_rescuer_has_a_wrong_clock() -> None:
    """Without this program, the other tests pass with the right clock, which shows less."""
    require_program("faketime")
    command = [require_program("date"), "+%s"]
    output = subprocess.check_output(command, env=wrong_clock(SECONDS_FAST))  # noqa: S603 - no untrusted input
    assert int(output) - time.time() > SILENT_SECONDS


@pytest.mark.parametrize("fault", FAULTS)
def test_the_job_recovers_within_a_minute(recovered: dict[str, RecoveredJob], fault: str) -> None:
    assert recovered[fault].job["status"] == "done"
    assert recovered[fault].recovery_seconds < FINISH_TIMEOUT_SECONDS


@pytest.mark.parametrize("fault", FAULTS)
def test_there_is_one_complete_file(cluster: Cluster, recovered: dict[str, RecoveredJob], fault: str) -> None:
    job = recovered[fault].job
    assert cluster.objects(job["id"]) == [f"{job['id']}/{job['attempt']}.csv"]
    assert cluster.is_whole(job)
    assert job["file"]["rows"] == 200


def test_a_frozen_attempt_cannot_publish(
    cluster: Cluster, recovered: dict[str, RecoveredJob], guarantees: GuaranteeTable
) -> None:
    jobs = [recovery.job for recovery in recovered.values()]
    violations = [job["id"] for job in jobs if not has_one_file(cluster, job)]
    cluster.s3.put_object(Bucket=cluster.stack.bucket, Key=f"{jobs[0]['id']}/9.csv", Body=b"second")
    is_noticed = not has_one_file(cluster, jobs[0])
    cluster.s3.delete_object(Bucket=cluster.stack.bucket, Key=f"{jobs[0]['id']}/9.csv")
    longest = max(recovery.recovery_seconds for recovery in recovered.values())
    guarantees.add(
        "G10: a frozen attempt cannot publish",
        len(jobs),
        len(violations),
        f"one export per kind of crash; the slowest recovered after {longest:.0f} s",
        "a second object of a job is counted",
        is_noticed,
    )
    assert violations == []


def test_a_finished_job_cannot_start_again(cluster: Cluster, recovered: dict[str, RecoveredJob]) -> None:
    """A claim may reach Prefect after another worker has finished the job."""
    job = recovered["the worker"].job
    claim = {"state": {"type": "PENDING"}, "force": False}
    response = cluster.prefect.post(f"/flow_runs/{job['id']}/set_state", json=claim).raise_for_status()
    assert response.json()["status"] == "REJECT"
    assert flow_runs.read(cluster.prefect, job["id"])["state_type"] == "COMPLETED"


def test_a_cancelled_job_does_not_start_again(cluster: Cluster, outcome: Outcome) -> None:
    """A worker may reschedule a job that it takes for lost at the moment when its owner cancels it."""
    job_id = cluster.start()
    cluster.wait_for_reader(outcome.rescuer)
    cluster.api.post(f"/exports/{job_id}/cancel").raise_for_status()
    flow_runs.wait_until_finished(cluster.prefect, job_id)
    late = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry", "message": WORKER_CRASHED}}
    response = cluster.prefect.post(f"/flow_runs/{job_id}/set_state", json=late).raise_for_status()
    assert response.json()["status"] == "ACCEPT"
    (run,) = flow_runs.wait_until_finished(cluster.prefect, job_id)
    assert run["state_type"] == "CANCELLED"
    assert cluster.objects(job_id) == []


def has_one_file(cluster: Cluster, job: dict[str, Any]) -> bool:
    return cluster.objects(job["id"]) == [f"{job['id']}/{job['attempt']}.csv"]


def test_a_job_keeps_its_attempt_if_only_its_worker_dies(
    recovered: dict[str, RecoveredJob],
) -> None:
    assert recovered["the worker"].job["attempt"] == 1


@pytest.fixture(scope="module")
def slow_and_failing(cluster: Cluster, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a job with a slow query and a job whose process is killed on every attempt.

    Return both jobs after they have finished.
    """
    slow = cluster.start("stalled-orders")
    slow_reader = cluster.wait_for_reader(outcome.rescuer)
    failing = cluster.start()
    for _ in range(ATTEMPTS):
        reader = cluster.wait_for_reader(outcome.rescuer, other_than=slow_reader)
        reader.kill()
        reader.wait(10)  # otherwise the next iteration could find the same process
    return cluster.wait_until_finished(slow), cluster.wait_until_finished(failing)


def test_a_slow_job_is_not_rescued(
    cluster: Cluster, slow_and_failing: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    job = slow_and_failing[0]
    assert (job["status"], job["attempt"]) == ("done", 1)
    states = flow_runs.states(cluster.prefect, job["id"])
    assert [state["name"] for state in states] == ["Scheduled", "Pending", "Running", "Completed"]
    running, completed = (flow_runs.epoch_seconds(state["timestamp"]) for state in states[2:])
    assert completed - running > SILENT_SECONDS, "too fast to show that a slow job is not rescued"


def test_a_job_that_loses_every_worker_ends_in_an_error(
    cluster: Cluster, slow_and_failing: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    job = slow_and_failing[1]
    assert (job["status"], job["attempt"]) == ("error", ATTEMPTS)
    assert job["error"] == {
        "code": "worker.lost",
        "retryable": WorkerLost.retryable,
        "message": "The worker crashed on every attempt.",
    }
    assert cluster.objects(job["id"]) == []
