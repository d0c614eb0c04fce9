"""Test that cancelling an export ends its database query and leaves no file or upload behind."""

import random
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack
from tests.support.worker_faults import BUSY, Cluster, Victim, cluster_on

TIMEOUT_SECONDS = 15.0
CANCEL_SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster(stack: Stack, prefect: httpx.Client) -> Iterator[Cluster]:
    with cluster_on(stack, prefect) as cluster:
        yield cluster


@pytest.fixture(scope="module", autouse=True)
def worker(cluster: Cluster) -> Victim:
    """Start the only worker of the cluster. The last test kills it."""
    (worker,) = cluster.start_workers(1)
    return worker


def count_queries(cluster: Cluster) -> int:
    with psycopg.connect(cluster.stack.libpq_url, autocommit=True) as database:
        return len(database.execute(BUSY).fetchall())


def wait_until(condition: object, seconds: float = TIMEOUT_SECONDS) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def list_uploads(cluster: Cluster, job_id: str) -> list[str]:
    listing = cluster.s3.list_multipart_uploads(Bucket=cluster.stack.bucket, Prefix=f"{job_id}/")
    return [upload["Key"] for upload in listing.get("Uploads", [])]


def test_a_cancelled_export_ends_its_query_and_leaves_no_file(
    cluster: Cluster, guarantees: GuaranteeTable, is_long_run: bool
) -> None:
    chance = random.Random(guarantees.seed)  # noqa: S311 - not a secret
    results = [cancel_while_reading(cluster, chance.uniform(0, 3)) for _ in range(10 if is_long_run else 1)]
    seconds = [duration for _, duration in results]
    guarantees.add(
        "G11: cancelling stops the work",
        len(seconds),
        sum(duration > TIMEOUT_SECONDS for duration in seconds),
        f"the query ended within {max(seconds):.1f} s, and nothing was left",
        "the query is counted until it is cancelled",
        all(queries == 1 for queries, _ in results),
    )


def cancel_while_reading(cluster: Cluster, delay: float) -> tuple[int, float]:
    """Cancel an export `delay` seconds after its query has started.

    Return how many queries were running just before the cancellation, and how many seconds passed until none
    was running.
    """
    job_id = cluster.start("stalled-orders")
    wait_until(lambda: count_queries(cluster) == 1, 40)
    time.sleep(delay)
    queries = count_queries(cluster)
    cancelled_at = time.monotonic()
    response = cluster.api.post(f"/exports/{job_id}/cancel")
    assert response.status_code == 202
    assert response.json()["phase"] == "cancelling"
    wait_until(lambda: count_queries(cluster) == 0)
    seconds = time.monotonic() - cancelled_at
    job = cluster.wait_until_finished(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert cluster.objects(job_id) == []
    assert list_uploads(cluster, job_id) == []
    assert cluster.api.post(f"/exports/{job_id}/cancel").status_code == 409
    return queries, seconds


def test_a_queued_export_is_cancelled_immediately(cluster: Cluster) -> None:
    first, waiting = cluster.start("stalled-orders"), cluster.start("stalled-orders")
    wait_until(lambda: cluster.job(first)["status"] == "running", 40)
    assert cluster.job(waiting)["queue"]["position"] == 0
    assert cluster.api.post(f"/exports/{waiting}/cancel").status_code == 202
    assert cluster.job(waiting)["status"] == "cancelled"
    cluster.api.post(f"/exports/{first}/cancel").raise_for_status()
    cluster.wait_until_finished(first)


def test_deleting_a_running_export_stops_and_removes_it_immediately(cluster: Cluster) -> None:
    job_id = cluster.start("stalled-orders")
    wait_until(lambda: count_queries(cluster) == 1, 40)
    assert cluster.api.delete(f"/exports/{job_id}").status_code == 204
    assert cluster.api.get(f"/exports/{job_id}").status_code == 404
    wait_until(lambda: count_queries(cluster) == 0)
    assert cluster.objects(job_id) == []


def test_a_cancelled_export_ends_although_its_worker_dies(cluster: Cluster, worker: Victim) -> None:
    job_id = cluster.start("stalled-orders")
    child = cluster.wait_for_reader(worker)
    child.suspend()  # the process must not end before its worker
    cluster.api.post(f"/exports/{job_id}/cancel").raise_for_status()
    worker.kill()
    child.kill()
    killed_at = time.monotonic()
    assert cluster.api.get("/limits").raise_for_status().json()["running"]["used"] == 0
    cluster.start_workers(1)
    job = cluster.wait_until_finished(job_id, CANCEL_SECONDS)
    seconds = time.monotonic() - killed_at
    print(f"cancelled {seconds:.0f} s after its worker died (allowed: {CANCEL_SECONDS} s)")  # noqa: T201
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert cluster.objects(job_id) == []
