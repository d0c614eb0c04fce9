"""Test that a job whose process dies at any step of its first attempt ends with one whole file."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import flow_runs
from tests.support.chaos import NUMBERS, difference
from tests.support.fault_points import POINTS, ROWS_BELOW, write_reports
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack
from tests.support.worker_faults import FINISH_TIMEOUT_SECONDS, Cluster, cluster_on


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("points")
    root = str(Path(__file__).parents[2])
    return {"REPORTS_CATALOG": write_reports(folder), "PYTHONPATH": os.pathsep.join([root, str(folder)])}


@pytest.fixture(scope="module")
def cluster(stack: Stack, prefect: httpx.Client, catalog: dict[str, str]) -> Iterator[Cluster]:
    with cluster_on(stack, prefect, catalog) as cluster:
        cluster.start_workers(1, limit=5, **catalog)
        yield cluster


def test_a_job_survives_a_crash_at_every_point(cluster: Cluster, guarantees: GuaranteeTable) -> None:
    started = time.monotonic()
    jobs = {point: cluster.start(point) for point in POINTS}
    ended = {point: cluster.wait_until_finished(job_id) for point, job_id in jobs.items()}
    seconds = time.monotonic() - started
    flow_runs.wait_until_finished(cluster.prefect, *jobs.values())
    uploads = unfinished_uploads(cluster) & set(jobs.values())
    before = {point: cluster.objects(job_id) for point, job_id in jobs.items()}
    flow_runs.sweep(cluster.prefect)
    problems = {
        point: problem for point, job in ended.items() if (problem := problem_of(cluster, point, job))
    }
    with_orphans = [point for point, job_id in jobs.items() if len(cluster.objects(job_id)) != 1]
    with_orphans += [point for point, job_id in jobs.items() if job_id in unfinished_uploads(cluster)]
    guarantees.add(
        "G15: an export survives a crash at every step",
        len(POINTS),
        len({*problems, *with_orphans}),
        f"{sum(map(len, before.values())) - len(POINTS)} objects and {len(uploads)} uploads"
        " of crashed attempts before the sweep;"
        f" all ended after {seconds:.0f} s",
        "the crashed attempts leave objects and an upload",
        len(before["object-published"]) == len(before["receipt-stored"]) == 2
        and jobs["part-sent"] in uploads,
    )
    assert (problems, with_orphans) == ({}, [])
    assert seconds < FINISH_TIMEOUT_SECONDS


def unfinished_uploads(cluster: Cluster) -> set[str]:
    """Return the ids of the jobs with unfinished uploads."""
    uploads = cluster.s3.list_multipart_uploads(Bucket=cluster.stack.bucket).get("Uploads", [])
    return {upload["Key"].partition("/")[0] for upload in uploads}


def problem_of(cluster: Cluster, point: str, job: dict[str, Any]) -> str:
    """Return how the job or its file is wrong, or an empty string."""
    if (job["status"], job["attempt"]) != ("done", POINTS[point].attempt):
        return f"{job['status']} after attempt {job['attempt']}: {job['error']}"
    content = httpx.get(job["file"]["url"], trust_env=False).raise_for_status().content
    with psycopg.connect(cluster.stack.libpq_url) as connection:
        numbers = [row[0] for row in connection.execute(NUMBERS, [ROWS_BELOW])]
    return difference(content, job["file"]["sha256"], numbers)
