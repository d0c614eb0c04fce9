"""Workers and runs are killed and frozen: each job ends done, with exactly one whole file."""

from collections.abc import Iterator
from typing import Any

import pytest

from deployments.warm_worker.rescue import SILENT_SECONDS
from flows.errors import WorkerLost
from tests.support import flow_runs
from tests.support.worker_faults import (
    FAULTS,
    FINISH_TIMEOUT_SECONDS,
    Cluster,
    Outcome,
    RecoveredJob,
    inject_faults,
    separate_cluster,
)

ATTEMPTS = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with separate_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def outcome(cluster: Cluster) -> Outcome:
    return inject_faults(cluster)


@pytest.fixture(scope="module")
def struck(outcome: Outcome) -> dict[str, RecoveredJob]:
    return outcome.jobs


@pytest.mark.parametrize("fault", FAULTS)
def test_the_job_is_done_within_a_minute(struck: dict[str, RecoveredJob], fault: str) -> None:
    assert struck[fault].job["status"] == "done"
    assert struck[fault].recovery_seconds < FINISH_TIMEOUT_SECONDS


@pytest.mark.parametrize("fault", FAULTS)
def test_there_is_one_file_and_it_is_whole(
    cluster: Cluster, struck: dict[str, RecoveredJob], fault: str
) -> None:
    job = struck[fault].job
    assert cluster.objects(job["id"]) == [f"{job['id']}/{job['attempt']}.csv"]
    assert cluster.is_whole(job)
    assert job["file"]["rows"] == 200


def test_a_job_whose_worker_alone_was_killed_ends_in_its_first_attempt(
    struck: dict[str, RecoveredJob],
) -> None:
    assert struck["the worker"].job["attempt"] == 1


@pytest.fixture(scope="module")
def slow_and_doomed(cluster: Cluster, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """One job from whose database nothing comes for long, and one whose process is killed at each attempt."""
    slow = cluster.start("stalled-orders")
    reads_slowly = cluster.wait_for_reader(outcome.rescuer)
    doomed = cluster.start()
    for _ in range(ATTEMPTS):
        reads = cluster.wait_for_reader(outcome.rescuer, other_than=reads_slowly)
        reads.kill()
        reads.wait(10)  # or it would be found again while it dies
    return cluster.wait_until_finished(slow), cluster.wait_until_finished(doomed)


def test_a_job_that_is_slow_and_alive_is_left_alone(
    cluster: Cluster, slow_and_doomed: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    job = slow_and_doomed[0]
    assert (job["status"], job["attempt"]) == ("done", 1)
    states = flow_runs.states(cluster.prefect, job["id"])
    assert [state["name"] for state in states] == ["Scheduled", "Pending", "Running", "Completed"]
    running, completed = (flow_runs.epoch_seconds(state["timestamp"]) for state in states[2:])
    assert completed - running > SILENT_SECONDS, "it would not show that nothing takes it"


def test_a_job_that_is_lost_again_and_again_ends_in_an_error(
    cluster: Cluster, slow_and_doomed: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    job = slow_and_doomed[1]
    assert (job["status"], job["attempt"]) == ("error", ATTEMPTS)
    assert job["error"] == {
        "code": "worker.lost",
        "retryable": WorkerLost.retryable,
        "message": "The worker crashed on every attempt.",
    }
    assert cluster.objects(job["id"]) == []
