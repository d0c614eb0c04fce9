"""While Prefect does not answer: known jobs keep their last known state, nothing new is accepted, no 500."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest

from tests.exports import ARTICLES_REQUEST, follow, start
from tests.running_stack import Stack, running

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ANSWERED_WITHIN_SECONDS = 2.5
STALE = '110 - "Response is Stale"'


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    with (
        TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder,
        running(Path(folder) / "data") as stack,
    ):
        yield stack


@pytest.fixture(scope="module")
def own_api(own: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.api_url, timeout=30, trust_env=False) as client:
        yield client


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    process = psutil.Process(pid)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def poll(api: httpx.Client, job_id: str) -> httpx.Response:
    return api.get("/reports/csv", params={"jobId": job_id})


def test_it_goes_on_by_itself_when_prefect_is_back(own: Stack, own_api: httpx.Client) -> None:
    done = start(own_api, ARTICLES_REQUEST)
    follow(own_api, done)
    begun = start(own_api, {**ARTICLES_REQUEST, "filters": {}})
    with frozen(own.pids["prefect"]):
        until = time.monotonic() + 20
        while "warning" not in (answer := poll(own_api, begun.id)).headers:
            assert answer.status_code == 200
            assert time.monotonic() < until
            time.sleep(0.1)
        assert answer.headers["warning"] == STALE
        assert answer.json()["data"]["status"] == "in-progress"

        asked = time.monotonic()
        refused = own_api.post("/reports/csv", json={**ARTICLES_REQUEST, "filters": {"utm": "fb"}})
        assert refused.status_code == 503
        assert time.monotonic() - asked < ANSWERED_WITHIN_SECONDS
        assert int(refused.headers["retry-after"]) > 0

        assert poll(own_api, UNKNOWN).status_code == 503
        finished = poll(own_api, done.id)
        assert finished.json()["data"]["status"] == "done"
        assert "warning" not in finished.headers
        assert own_api.get("/healthz").status_code == 200
        assert own_api.get("/readyz").status_code == 503
    follow(own_api, begun)
    assert begun.data["status"] == "done"
    assert begun.file().count(b"\n") > 900
    assert "warning" not in poll(own_api, begun.id).headers
