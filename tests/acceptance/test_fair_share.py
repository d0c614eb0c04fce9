"""Callers take turns: the many exports of one do not hold another's, whatever came first."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import inf
from statistics import median
from typing import Any

import httpx
import pytest

from tests.acceptance.test_callers import client_of
from tests.support import flow_runs
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import Stack

POOL = "turns"
# Two workers with two slots each.
LIMIT, SLOTS = 3, 4
BACKLOGS = {"ada": 40, "carol": 8}

HOUSE = {"REPORTS_CATALOG": "tests.acceptance.custom_reports.brief_orders"}


@pytest.fixture(scope="module")
def callers(
    stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, httpx.Client]]:
    """Prefect hands out no more runs than the pool has room for: behind a backlog nobody else's are seen."""
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    create_pool(prefect, POOL, "warm", concurrency_limit=SLOTS)
    deploy_export(prefect, POOL, POOL)
    with extra_processes(stack) as others:
        limit = {"REPORTS_RUNNING_PER_CALLER": str(LIMIT)}
        workers = [others.start_warm_worker(POOL, "--limit", "2", **HOUSE, **limit) for _ in range(2)]
        url = others.start_api(**pool_settings(POOL, POOL), REPORTS_KEYS_FILE=str(keys), **HOUSE)
        for worker in workers:
            others.wait_for_output(worker, "started!")
        with ExitStack() as clients:
            yield {name: clients.enter_context(client_of(url, keys, name)) for name in (*BACKLOGS, "bob")}


def start(caller: httpx.Client) -> str:
    body = {"report": "brief-orders", "name": secrets.token_hex(8)}
    return str(caller.post("/exports", json=body).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def runs(prefect: httpx.Client, callers: dict[str, httpx.Client]) -> dict[str, list[dict[str, Any]]]:
    """Each caller's, as they were when Bob's only one had ended."""
    wanted = [callers[name] for name, number in BACKLOGS.items() for _ in range(number)]
    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(start, wanted))
    (his,) = flow_runs.wait_until_finished(prefect, start(callers["bob"]))
    found = [flow_runs.read(prefect, run_id) for run_id in ids]
    for run_id in ids:
        prefect.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "CANCELLED"}, "force": True})
    ada = BACKLOGS["ada"]
    return {"ada": found[:ada], "carol": found[ada:], "bob": [his]}


def test_anothers_one_does_not_wait_for_a_backlog(runs: dict[str, list[dict[str, Any]]]) -> None:
    (his,) = runs["bob"]
    before = [*runs["ada"], *runs["carol"]]
    job = median(
        flow_runs.epoch_seconds(run["end_time"]) - flow_runs.epoch_seconds(run["start_time"])
        for run in before
        if run["state_type"] == "COMPLETED"
    )
    wait = flow_runs.epoch_seconds(his["start_time"]) - flow_runs.epoch_seconds(his["created"])
    waiting = sum(1 for run in before if run["state_type"] == "SCHEDULED")
    print(f"waited {wait / job:.2f} job times of {job:.2f} s; {waiting} of others' wait on")  # noqa: T201
    assert his["state_type"] == "COMPLETED"
    assert waiting > 3 * SLOTS
    assert wait <= 2 * job


def test_nobody_runs_more_than_their_limit_on_all_workers_together(
    runs: dict[str, list[dict[str, Any]]],
) -> None:
    most = {name: most_at_once(runs[name]) for name in BACKLOGS}
    print(f"ran {most} at a time; {LIMIT} are allowed, in {SLOTS} slots")  # noqa: T201
    assert max(most.values()) == LIMIT


def most_at_once(runs: list[dict[str, Any]]) -> int:
    spans = [
        (
            flow_runs.epoch_seconds(run["start_time"]),
            flow_runs.epoch_seconds(run["end_time"]) if run["end_time"] else inf,
        )
        for run in runs
        if run["start_time"]
    ]
    return max(sum(1 for start, end in spans if start <= moment < end) for moment, _ in spans)
