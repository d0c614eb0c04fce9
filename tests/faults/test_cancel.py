"""Cancelling stops the work, in the database too, and leaves nothing behind."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.worker_faults import BUSY, Cluster, separate_cluster

GONE_WITHIN_SECONDS = 15.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with separate_cluster() as found:
        found.start_workers(1)
        yield found


def busy(cluster: Cluster) -> int:
    with psycopg.connect(cluster.stack.libpq_url, autocommit=True) as database:
        return len(database.execute(BUSY).fetchall())


def until(condition: object, seconds: float = GONE_WITHIN_SECONDS) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def uploads(cluster: Cluster) -> list[str]:
    found = cluster.s3.list_multipart_uploads(Bucket=cluster.stack.bucket)
    return [each["Key"] for each in found.get("Uploads", [])]


def test_a_cancelled_export_ends_its_query_and_leaves_no_file(cluster: Cluster) -> None:
    job_id = cluster.start("stalled-orders")
    until(lambda: busy(cluster) == 1, 40)
    answer = cluster.api.post(f"/exports/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["phase"] == "cancelling"
    until(lambda: busy(cluster) == 0)
    job = cluster.wait_until_finished(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert cluster.objects(job_id) == []
    assert uploads(cluster) == []
    assert cluster.api.post(f"/exports/{job_id}/cancel").status_code == 409


def test_a_waiting_export_is_cancelled_at_once(cluster: Cluster) -> None:
    first, waiting = cluster.start("stalled-orders"), cluster.start("stalled-orders")
    until(lambda: cluster.job(first)["status"] == "running", 40)
    assert cluster.job(waiting)["queue"]["position"] == 0
    assert cluster.api.post(f"/exports/{waiting}/cancel").status_code == 202
    assert cluster.job(waiting)["status"] == "cancelled"
    cluster.api.post(f"/exports/{first}/cancel").raise_for_status()
    cluster.wait_until_finished(first)


def test_a_running_export_that_is_deleted_stops_and_is_unknown_at_once(cluster: Cluster) -> None:
    job_id = cluster.start("stalled-orders")
    until(lambda: busy(cluster) == 1, 40)
    assert cluster.api.delete(f"/exports/{job_id}").status_code == 204
    assert cluster.api.get(f"/exports/{job_id}").status_code == 404
    until(lambda: busy(cluster) == 0)
    assert cluster.objects(job_id) == []
