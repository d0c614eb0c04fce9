"""The command line while something goes wrong in an export: a signal, a silence, somebody else."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.blockable_proxy import Way
from tests.support.command_line import begin, ended, files, run, until_said
from tests.support.worker_faults import Ground, ground_of_its_own

RUNNING_WITHIN_SECONDS = 60.0
SLOW, STALLED = ("export", "slow-orders"), ("export", "stalled-orders")


@pytest.fixture(scope="module")
def field() -> Iterator[Ground]:
    with ground_of_its_own() as found:
        found.workers(1)
        yield found


def url(field: Ground) -> str:
    return str(field.api.base_url)


def until_running(field: Ground, job_id: str) -> None:
    end = time.monotonic() + RUNNING_WITHIN_SECONDS
    while field.job(job_id)["status"] != "running":
        assert time.monotonic() < end
        time.sleep(0.05)


def id_in(said: str) -> str:
    return said.partition("Export ")[2][:36]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_export_and_leaves_no_file(
    field: Ground, tmp_path: Path, number: int, code: int
) -> None:
    process = begin(url(field), tmp_path, *STALLED, "-o", "slow.csv")
    job_id = id_in(until_said(process, "Export "))
    until_running(field, job_id)
    process.send_signal(number)
    ran = ended(process)
    assert (ran.code, ran.out) == (code, b"")
    assert ran.said.endswith(f"Export {job_id} is cancelled.\n")
    assert files(tmp_path) == []
    assert field.until_ended(job_id)["status"] == "cancelled"


def test_an_export_that_somebody_else_cancels_is_1_and_names_its_id(field: Ground, tmp_path: Path) -> None:
    process = begin(url(field), tmp_path, *STALLED)
    job_id = id_in(until_said(process, "Export "))
    until_running(field, job_id)
    cancelled = run(url(field), tmp_path, "cancel", job_id)
    assert (cancelled.code, cancelled.out) == (0, f"Export {job_id} is cancelled.\n".encode())
    again = run(url(field), tmp_path, "cancel", job_id)
    assert (again.code, again.out) == (0, cancelled.out)
    ran = ended(process)
    assert ran.code == 1
    assert ran.said.endswith(f"report-exports: The export was cancelled (cancelled). Quote {job_id}.\n")
    assert files(tmp_path) == []


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_a_service_that_is_away_for_a_while_is_no_failed_export(
    field: Ground, tmp_path: Path, how: str
) -> None:
    way = Way(url(field))
    try:
        process = begin(way.url, tmp_path, *SLOW, "-o", "slow.csv")
        job_id = id_in(until_said(process, "Export "))
        until_running(field, job_id)
        with way.blocked(how):
            time.sleep(3)
        ran = ended(process)
    finally:
        way.close()
    assert ran.code == 0
    assert "does not answer. Trying again in" in ran.said
    with httpx.Client(trust_env=False) as client:
        link = field.job(job_id)["file"]["url"]
        assert (tmp_path / "slow.csv").read_bytes() == client.get(link).content


def test_a_service_that_stays_away_is_3_and_the_export_goes_on(field: Ground, tmp_path: Path) -> None:
    way = Way(url(field))
    process = begin(way.url, tmp_path, *SLOW, "-o", "slow.csv", "--timeout", "2")
    job_id = id_in(until_said(process, "Export "))
    way.close()
    ran = ended(process)
    assert ran.code == 3
    assert f"Quote {job_id}" in ran.said
    assert files(tmp_path) == []
    assert field.until_ended(job_id)["status"] == "done"


def test_progress_is_told_in_rows_speed_and_time(field: Ground, tmp_path: Path) -> None:
    ran = run(url(field), tmp_path, *SLOW, "-o", "slow.csv")
    assert ran.code == 0
    lines = [line for line in ran.said.splitlines() if line.startswith("Exporting: ")]
    assert lines
    assert all(" of 200 rows" in line for line in lines)
