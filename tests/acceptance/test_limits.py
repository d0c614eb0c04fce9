"""Test the limits on exports and schedules, and the errors for callers that exceed them."""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.test_callers import client_of
from tests.support.command_line import launch, wait_for_exit, wait_for_stderr
from tests.support.export_client import EMPTY_SURVEY
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack

# The pool has no worker, so every export stays queued.
POOL = "no-worker"
QUEUED, BURST, SCHEDULES = 3, 6, 2
WEEKLY = {
    "name": "Weekly",
    "recurrence": {"cron": "0 9 * * MON"},
    "range": {"kind": "relative", "preset": "previous-week"},
    "export": {"surveyId": EMPTY_SURVEY},
}


@pytest.fixture(scope="module")
def processes(stack: Stack, prefect: httpx.Client) -> Iterator[ExtraProcesses]:
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    with extra_processes(stack) as processes:
        yield processes


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def url(processes: ExtraProcesses, keys: Path) -> str:
    limits = {
        "REPORTS_KEYS_FILE": str(keys),
        "REPORTS_RUNNING_PER_CALLER": "3",
        "REPORTS_QUEUED_PER_CALLER": str(QUEUED),
        "REPORTS_STARTS_BURST": str(BURST),
        "REPORTS_STARTS_PER_SECOND": "0.5",
        "REPORTS_SCHEDULES_PER_CALLER": str(SCHEDULES),
        "REPORTS_PREVIEWS_PER_SECOND": "1",
        "REPORTS_PREVIEWS_BURST": str(BURST),
    }
    return processes.start_api(**pool_settings(POOL, POOL), **limits)


@pytest.fixture
def caller(url: str, keys: Path) -> Iterator[httpx.Client]:
    with fresh_caller(url, keys) as client:
        yield client


@pytest.fixture(scope="module")
def full(url: str, keys: Path) -> Iterator[tuple[httpx.Client, list[str]]]:
    """Yield the client of a caller whose queue is full, and the ids of the queued exports."""
    with fresh_caller(url, keys) as client:
        answers = [start(client).raise_for_status() for _ in range(QUEUED)]
        yield client, [answer.json()["id"] for answer in answers]


@contextmanager
def fresh_caller(url: str, keys: Path) -> Iterator[httpx.Client]:
    with client_of(url, keys, f"caller-{secrets.token_hex(4)}") as client:
        yield client
        for job in client.get("/exports", params={"limit": 100}).json()["items"]:
            client.delete(f"/exports/{job['id']}")


def request() -> dict[str, Any]:
    return {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": secrets.token_hex(8)}


def start(caller: httpx.Client, **headers: str) -> httpx.Response:
    return caller.post("/exports", json=request(), headers=headers)


def is_refused(answer: httpx.Response, code: str) -> bool:
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["data"] is None
    return bool(answer.json()["errors"][0]["code"] == code)


def test_starts_beyond_the_burst_are_429_until_retry_after(caller: httpx.Client) -> None:
    started = 0
    while (answer := start(caller)).status_code == 202:
        started += 1
        caller.delete(f"/exports/{answer.json()['id']}").raise_for_status()
        assert started < 5 * BURST
    assert started >= BURST
    assert is_refused(answer, "limit.rate")
    time.sleep(int(answer.headers["retry-after"]))
    assert start(caller).status_code == 202


def test_concurrent_starts_do_not_exceed_the_queue_limit(caller: httpx.Client) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: start(caller), range(10)))
    started = [answer for answer in answers if answer.status_code == 202]
    assert 0 < len(started) <= QUEUED
    assert all(is_refused(answer, "limit.queued") for answer in answers if answer not in started)
    assert caller.get("/limits").json()["queued"]["used"] == len(started)


def test_concurrent_requests_do_not_create_more_schedules_than_allowed(caller: httpx.Client) -> None:
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: caller.post("/schedules", json=WEEKLY), range(5)))
    created = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert 0 < len(created) <= SCHEDULES
    assert all(is_refused(answer, "limit.schedules") for answer in answers if answer.status_code != 201)
    assert caller.get("/limits").json()["schedules"]["used"] == len(created)
    pause = {"enabled": False}
    while caller.patch(f"/schedules/{created[0]}", json={"name": secrets.token_hex(4)}).status_code == 200:
        pass
    assert caller.patch(f"/schedules/{created[0]}", json=pause).raise_for_status().json()["enabled"] is False
    for schedule in created:
        caller.delete(f"/schedules/{schedule}").raise_for_status()
    assert caller.get("/limits").json()["schedules"]["used"] == 0


@pytest.mark.parametrize("path", ["/exports?dryRun=true", "/exports/dry-run"])
def test_dry_runs_are_limited(caller: httpx.Client, path: str) -> None:
    allowed = 0
    while (answer := caller.post(path, json=request())).status_code == 200:
        allowed += 1
        assert allowed < 5 * BURST
    assert allowed >= BURST
    assert is_refused(answer, "limit.rate")


@pytest.mark.parametrize("how", ["/exports", "/reports/csv", "retry", "run"])
def test_a_full_queue_refuses_every_kind_of_start(full: tuple[httpx.Client, list[str]], how: str) -> None:
    client, queued = full
    path = how
    if how == "retry":
        client.post(f"/exports/{queued.pop()}/cancel").raise_for_status()
        cancelled = client.get("/exports", params={"status": "cancelled"}).json()["items"][0]["id"]
        queued.append(start(client).raise_for_status().json()["id"])
        path = f"/exports/{cancelled}/retry"
    elif how == "run":
        schedule = client.post("/schedules", json=WEEKLY).raise_for_status().json()
        path = f"/schedules/{schedule['id']}/run"
    assert is_refused(client.post(path, json=request() if path == how else None), "limit.queued")
    if how == "run":
        client.delete(f"/schedules/{schedule['id']}").raise_for_status()


def test_a_full_queue_allows_replays_and_replays_are_free(
    full: tuple[httpx.Client, list[str]],
) -> None:
    client, queued = full
    client.post(f"/exports/{queued.pop()}/cancel").raise_for_status()
    key, body = {"Idempotency-Key": secrets.token_hex(8)}, request()
    queued.append(client.post("/exports", json=body, headers=key).raise_for_status().json()["id"])
    for _ in range(BURST):
        again = client.post("/exports", json=client.get(f"/exports/{queued[0]}").json()["request"])
        assert (again.status_code, again.json()["id"]) == (200, queued[0])
        again = client.post("/exports", json=body, headers=key)
        assert (again.status_code, again.json()["id"]) == (200, queued[-1])
    assert client.post("/exports", json=request(), headers=key).status_code == 422
    assert client.get("/limits").json()["queued"] == {"limit": QUEUED, "used": QUEUED, "left": 0}


def test_the_queue_position_counts_only_the_callers_own_exports(
    full: tuple[httpx.Client, list[str]], caller: httpx.Client
) -> None:
    client, queued = full
    positions = [client.get(f"/exports/{job_id}").json()["queue"]["position"] for job_id in queued]
    assert sorted(positions) == [0, 1, 2]
    answer = start(caller)
    assert (answer.status_code, answer.json()["queue"]["position"]) == (202, 0)


def test_the_command_line_waits_until_it_may_start(
    full: tuple[httpx.Client, list[str]], url: str, tmp_path: Path
) -> None:
    client, queued = full
    key = client.headers["authorization"].removeprefix("Bearer ")
    options = ("--survey", EMPTY_SURVEY, "--from", "2025-1-1", "--to", "2025-1-2", "--detach")
    process = launch(url, tmp_path, "export", "survey-responses", *options, REPORTS_API_KEY=key)
    stderr = wait_for_stderr(process, "Trying again in 5 s.")
    client.delete(f"/exports/{queued.pop()}").raise_for_status()
    result = wait_for_exit(process)
    assert result.code == 0
    assert "3 of your exports are waiting" in stderr
    queued.append(result.stdout.decode().strip())
    assert client.get(f"/exports/{queued[-1]}").json()["status"] == "queued"


def test_limits_report_what_is_left(caller: httpx.Client) -> None:
    start(caller).raise_for_status()
    answer = caller.get("/limits").raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["starts"].pop("left") in (BURST - 1, BURST)
    assert body["previews"].pop("left") == BURST
    assert body["tokens"].pop("left") == 100
    assert body == {
        "running": {"limit": 3, "used": 0, "left": 3},
        "queued": {"limit": QUEUED, "used": 1, "left": QUEUED - 1},
        "starts": {"perSecond": 0.5, "burst": BURST},
        "schedules": {"limit": SCHEDULES, "used": 0, "left": SCHEDULES},
        "previews": {"perSecond": 1.0, "burst": BURST},
        "tokens": {"perSecond": 10.0, "burst": 100},
        "rows": None,
        "reports": {
            "survey-responses": {"maxDays": 366, "maxRows": None},
            "orders": {"maxDays": None, "maxRows": None},
        },
        "body": {"bytes": 65536, "depth": 16},
    }


def test_limits_require_a_key(url: str) -> None:
    assert httpx.get(f"{url}/limits", trust_env=False).status_code == 401


def test_a_longer_range_than_the_report_allows_is_422(api: httpx.Client) -> None:
    answer = api.post("/exports", json={"surveyId": EMPTY_SURVEY, "from": "2024-1-1", "to": "2025-1-1"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to")
