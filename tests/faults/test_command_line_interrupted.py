"""The command line while something goes wrong in an export: a signal, a silence, somebody else."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.blockable_proxy import BlockableProxy
from tests.support.command_line import launch, list_files, run, wait_for_exit, wait_for_stderr
from tests.support.worker_faults import Cluster, separate_cluster

RUNNING_WITHIN_SECONDS = 60.0
SLOW, STALLED = ("export", "slow-orders"), ("export", "stalled-orders")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with separate_cluster() as found:
        found.start_workers(1)
        yield found


def url(cluster: Cluster) -> str:
    return str(cluster.api.base_url)


def until_running(cluster: Cluster, job_id: str) -> None:
    end = time.monotonic() + RUNNING_WITHIN_SECONDS
    while cluster.job(job_id)["status"] != "running":
        assert time.monotonic() < end
        time.sleep(0.05)


def id_in(said: str) -> str:
    return said.partition("Export ")[2][:36]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_export_and_leaves_no_file(
    cluster: Cluster, tmp_path: Path, number: int, code: int
) -> None:
    process = launch(url(cluster), tmp_path, *STALLED, "-o", "slow.csv")
    job_id = id_in(wait_for_stderr(process, "Export "))
    until_running(cluster, job_id)
    process.send_signal(number)
    ran = wait_for_exit(process)
    assert (ran.code, ran.stdout) == (code, b"")
    assert ran.stderr.endswith(f"Export {job_id} is cancelled.\n")
    assert list_files(tmp_path) == []
    assert cluster.wait_until_finished(job_id)["status"] == "cancelled"


def test_an_export_that_somebody_else_cancels_is_1_and_names_its_id(cluster: Cluster, tmp_path: Path) -> None:
    process = launch(url(cluster), tmp_path, *STALLED)
    job_id = id_in(wait_for_stderr(process, "Export "))
    until_running(cluster, job_id)
    cancelled = run(url(cluster), tmp_path, "cancel", job_id)
    assert (cancelled.code, cancelled.stdout) == (0, f"Export {job_id} is cancelled.\n".encode())
    again = run(url(cluster), tmp_path, "cancel", job_id)
    assert (again.code, again.stdout) == (0, cancelled.stdout)
    ran = wait_for_exit(process)
    assert ran.code == 1
    assert ran.stderr.endswith(f"report-exports: The export was cancelled (cancelled). Quote {job_id}.\n")
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_a_service_that_is_away_for_a_while_is_no_failed_export(
    cluster: Cluster, tmp_path: Path, how: str
) -> None:
    way = BlockableProxy(url(cluster))
    try:
        process = launch(way.url, tmp_path, *SLOW, "-o", "slow.csv")
        job_id = id_in(wait_for_stderr(process, "Export "))
        until_running(cluster, job_id)
        with way.blocked(how):
            time.sleep(3)
        ran = wait_for_exit(process)
    finally:
        way.close()
    assert ran.code == 0
    assert "does not answer. Trying again in" in ran.stderr
    with httpx.Client(trust_env=False) as client:
        link = cluster.job(job_id)["file"]["url"]
        assert (tmp_path / "slow.csv").read_bytes() == client.get(link).content


def test_a_service_that_stays_away_is_3_and_the_export_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    way = BlockableProxy(url(cluster))
    process = launch(way.url, tmp_path, *SLOW, "-o", "slow.csv", "--timeout", "2")
    job_id = id_in(wait_for_stderr(process, "Export "))
    way.close()
    ran = wait_for_exit(process)
    assert ran.code == 3
    assert f"Quote {job_id}" in ran.stderr
    assert list_files(tmp_path) == []
    assert cluster.wait_until_finished(job_id)["status"] == "done"


def test_progress_is_told_in_rows_speed_and_time(cluster: Cluster, tmp_path: Path) -> None:
    ran = run(url(cluster), tmp_path, *SLOW, "-o", "slow.csv")
    assert ran.code == 0
    lines = [line for line in ran.stderr.splitlines() if line.startswith("Exporting: ")]
    assert lines
    assert all(" of 200 rows" in line for line in lines)
