"""Cancelling stops the work, in the database too, and leaves nothing behind."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.worker_faults import BUSY, Ground, ground_of_its_own

GONE_WITHIN_SECONDS = 15.0


@pytest.fixture(scope="module")
def field() -> Iterator[Ground]:
    with ground_of_its_own() as found:
        found.workers(1)
        yield found


def busy(field: Ground) -> int:
    with psycopg.connect(field.stack.libpq_url, autocommit=True) as database:
        return len(database.execute(BUSY).fetchall())


def until(condition: object, seconds: float = GONE_WITHIN_SECONDS) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def uploads(field: Ground) -> list[str]:
    found = field.s3.list_multipart_uploads(Bucket=field.stack.bucket)
    return [each["Key"] for each in found.get("Uploads", [])]


def test_a_cancelled_export_ends_its_query_and_leaves_no_file(field: Ground) -> None:
    job_id = field.start("stalled-orders")
    until(lambda: busy(field) == 1, 40)
    answer = field.api.post(f"/exports/{job_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["phase"] == "cancelling"
    until(lambda: busy(field) == 0)
    job = field.until_ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert field.objects(job_id) == []
    assert uploads(field) == []
    assert field.api.post(f"/exports/{job_id}/cancel").status_code == 409


def test_a_waiting_export_is_cancelled_at_once(field: Ground) -> None:
    first, waiting = field.start("stalled-orders"), field.start("stalled-orders")
    until(lambda: field.job(first)["status"] == "running", 40)
    assert field.job(waiting)["queue"]["position"] == 0
    assert field.api.post(f"/exports/{waiting}/cancel").status_code == 202
    assert field.job(waiting)["status"] == "cancelled"
    field.api.post(f"/exports/{first}/cancel").raise_for_status()
    field.until_ended(first)


def test_a_running_export_that_is_deleted_stops_and_is_unknown_at_once(field: Ground) -> None:
    job_id = field.start("stalled-orders")
    until(lambda: busy(field) == 1, 40)
    assert field.api.delete(f"/exports/{job_id}").status_code == 204
    assert field.api.get(f"/exports/{job_id}").status_code == 404
    until(lambda: busy(field) == 0)
    assert field.objects(job_id) == []
