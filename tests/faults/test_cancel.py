"""Cancelling stops the work, in the database too, and leaves nothing behind."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.worker_faults import BUSY, Testbed, separate_testbed

GONE_WITHIN_SECONDS = 15.0


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    with separate_testbed() as found:
        found.start_workers(1)
        yield found


def busy(testbed: Testbed) -> int:
    with psycopg.connect(testbed.stack.libpq_url, autocommit=True) as database:
        return len(database.execute(BUSY).fetchall())


def until(condition: object, seconds: float = GONE_WITHIN_SECONDS) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def uploads(testbed: Testbed) -> list[str]:
    found = testbed.s3.list_multipart_uploads(Bucket=testbed.stack.bucket)
    return [each["Key"] for each in found.get("Uploads", [])]


def test_a_cancelled_export_ends_its_query_and_leaves_no_file(testbed: Testbed) -> None:
    job_id = testbed.start("stalled-orders")
    until(lambda: busy(testbed) == 1, 40)
    answer = testbed.api.post(f"/exports/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["phase"] == "cancelling"
    until(lambda: busy(testbed) == 0)
    job = testbed.wait_until_finished(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert testbed.objects(job_id) == []
    assert uploads(testbed) == []
    assert testbed.api.post(f"/exports/{job_id}/cancel").status_code == 409


def test_a_waiting_export_is_cancelled_at_once(testbed: Testbed) -> None:
    first, waiting = testbed.start("stalled-orders"), testbed.start("stalled-orders")
    until(lambda: testbed.job(first)["status"] == "running", 40)
    assert testbed.job(waiting)["queue"]["position"] == 0
    assert testbed.api.post(f"/exports/{waiting}/cancel").status_code == 202
    assert testbed.job(waiting)["status"] == "cancelled"
    testbed.api.post(f"/exports/{first}/cancel").raise_for_status()
    testbed.wait_until_finished(first)


def test_a_running_export_that_is_deleted_stops_and_is_unknown_at_once(testbed: Testbed) -> None:
    job_id = testbed.start("stalled-orders")
    until(lambda: busy(testbed) == 1, 40)
    assert testbed.api.delete(f"/exports/{job_id}").status_code == 204
    assert testbed.api.get(f"/exports/{job_id}").status_code == 404
    until(lambda: busy(testbed) == 0)
    assert testbed.objects(job_id) == []
