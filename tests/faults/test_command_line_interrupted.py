"""Test how the command line handles signals, outages, and cancellations by another client."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.blockable_proxy import BlockableProxy
from tests.support.command_line import launch, list_files, run, wait_for_exit, wait_for_stderr
from tests.support.running_stack import Stack
from tests.support.worker_faults import Cluster, cluster_on

START_TIMEOUT_SECONDS = 60.0
SLOW, STALLED = ("export", "slow-orders"), ("export", "stalled-orders")


@pytest.fixture(scope="module")
def cluster(stack: Stack, prefect: httpx.Client) -> Iterator[Cluster]:
    with cluster_on(stack, prefect) as cluster:
        cluster.start_workers(1)
        yield cluster


def api_url(cluster: Cluster) -> str:
    return str(cluster.api.base_url)


def wait_until_running(cluster: Cluster, job_id: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while cluster.job(job_id)["status"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def find_id(stderr: str) -> str:
    return stderr.partition("Export ")[2][:36]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_export_and_leaves_no_file(
    cluster: Cluster, tmp_path: Path, number: int, code: int
) -> None:
    process = launch(api_url(cluster), tmp_path, *STALLED, "-o", "slow.csv")
    job_id = find_id(wait_for_stderr(process, "Export "))
    wait_until_running(cluster, job_id)
    process.send_signal(number)
    result = wait_for_exit(process)
    assert (result.code, result.stdout) == (code, b"")
    assert result.stderr.endswith(f"Export {job_id} was cancelled.\n")
    assert list_files(tmp_path) == []
    assert cluster.wait_until_finished(job_id)["status"] == "cancelled"


def test_an_export_cancelled_elsewhere_exits_with_1_and_names_its_id(
    cluster: Cluster, tmp_path: Path
) -> None:
    process = launch(api_url(cluster), tmp_path, *STALLED)
    job_id = find_id(wait_for_stderr(process, "Export "))
    wait_until_running(cluster, job_id)
    cancelled = run(api_url(cluster), tmp_path, "cancel", job_id)
    assert (cancelled.code, cancelled.stdout) == (0, f"Export {job_id} was cancelled.\n".encode())
    repeated = run(api_url(cluster), tmp_path, "cancel", job_id)
    assert (repeated.code, repeated.stdout) == (0, cancelled.stdout)
    result = wait_for_exit(process)
    assert result.code == 1
    assert result.stderr.endswith(
        f"report-exports: The export was cancelled (cancelled). Export id: {job_id}.\n"
    )
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("mode", ["closed", "silent"])
def test_a_short_outage_does_not_fail_the_export(cluster: Cluster, tmp_path: Path, mode: str) -> None:
    proxy = BlockableProxy(api_url(cluster))
    try:
        process = launch(proxy.url, tmp_path, *SLOW, "-o", "slow.csv")
        job_id = find_id(wait_for_stderr(process, "Export "))
        wait_until_running(cluster, job_id)
        with proxy.blocked(mode):
            time.sleep(3)
        result = wait_for_exit(process)
    finally:
        proxy.close()
    assert result.code == 0
    assert "is not responding. Trying again in" in result.stderr
    with httpx.Client(trust_env=False) as client:
        link = cluster.job(job_id)["file"]["url"]
        assert (tmp_path / "slow.csv").read_bytes() == client.get(link).content


def test_a_long_outage_exits_with_3_and_the_export_continues(cluster: Cluster, tmp_path: Path) -> None:
    proxy = BlockableProxy(api_url(cluster))
    process = launch(proxy.url, tmp_path, *SLOW, "-o", "slow.csv", "--timeout", "2")
    job_id = find_id(wait_for_stderr(process, "Export "))
    proxy.close()
    result = wait_for_exit(process)
    assert result.code == 3
    assert f"Its id is {job_id}" in result.stderr
    assert list_files(tmp_path) == []
    assert cluster.wait_until_finished(job_id)["status"] == "done"


def test_progress_lines_show_rows(cluster: Cluster, tmp_path: Path) -> None:
    result = run(api_url(cluster), tmp_path, *SLOW, "-o", "slow.csv")
    assert result.code == 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("Exporting: ")]
    assert lines
    assert all(" of 200 rows" in line for line in lines)
