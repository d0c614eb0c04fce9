"""Test that one caller's backlog does not delay the exports of other callers."""

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
from tests.support.guarantee_table import GuaranteeTable
from tests.support.running_stack import Stack

pytestmark = pytest.mark.timeout(900)
POOL = "turns"
LIMIT, SLOTS = 3, 4  # there are two workers with two slots each
MAX_JOB_TIMES = 2
STARTS_AT_ONCE = 8
BACKLOGS = {"ada": 40, "carol": 8}
LONG_RUN_BACKLOGS = {"ada": 200, "carol": 8}
VISITORS, LONG_RUN_VISITORS = 1, 10  # callers that start one export each, one after the other

CATALOG = {"REPORTS_CATALOG": "flows.samples,tests.acceptance.custom_reports.brief_orders"}


@pytest.fixture(scope="module")
def visitors(is_long_run: bool) -> list[str]:
    return [f"bob{number}" for number in range(LONG_RUN_VISITORS if is_long_run else VISITORS)]


@pytest.fixture(scope="module")
def callers(
    stack: Stack, prefect: httpx.Client, tmp_path_factory: pytest.TempPathFactory, visitors: list[str]
) -> Iterator[dict[str, httpx.Client]]:
    """Yield a dictionary that maps each caller to an API client.

    The pool's concurrency limit equals the number of slots. Without fair scheduling, the backlog would occupy
    every slot.
    """
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    create_pool(prefect, POOL, "warm", concurrency_limit=SLOTS)
    deploy_export(prefect, POOL, POOL)
    with extra_processes(stack) as processes:
        limit = {"REPORTS_RUNNING_PER_CALLER": str(LIMIT)}
        workers = [processes.start_warm_worker(POOL, "--limit", "2", **CATALOG, **limit) for _ in range(2)]
        url = processes.start_api(**pool_settings(POOL, POOL), REPORTS_KEYS_FILE=str(keys), **CATALOG)
        for worker in workers:
            processes.wait_for_output(worker, "started!")
        with ExitStack() as clients:
            names = [*BACKLOGS, *visitors]
            yield {name: clients.enter_context(client_of(url, keys, name)) for name in names}


def start(caller: httpx.Client) -> str:
    body = {"report": "brief-orders", "name": secrets.token_hex(8)}
    return str(caller.post("/exports", json=body).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def runs(
    prefect: httpx.Client, callers: dict[str, httpx.Client], visitors: list[str], is_long_run: bool
) -> dict[str, list[dict[str, Any]]]:
    """Wait for the visitors' runs to finish, and then return the current state of all callers' runs."""
    backlogs = LONG_RUN_BACKLOGS if is_long_run else BACKLOGS
    owners = [callers[name] for name, number in backlogs.items() for _ in range(number)]
    with ThreadPoolExecutor(STARTS_AT_ONCE) as pool:
        ids = list(pool.map(start, owners))
    visits = [flow_runs.wait_until_finished(prefect, start(callers[name]))[0] for name in visitors]
    others = [flow_runs.read(prefect, run_id) for run_id in ids]
    for run_id in ids:
        prefect.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "CANCELLED"}, "force": True})
    ada = backlogs["ada"]
    return {"ada": others[:ada], "carol": others[ada:], "visitors": visits}


def test_a_single_export_does_not_wait_for_a_backlog(
    runs: dict[str, list[dict[str, Any]]], guarantees: GuaranteeTable
) -> None:
    visits, earlier = runs["visitors"], [*runs["ada"], *runs["carol"]]
    job = median(
        flow_runs.epoch_seconds(run["end_time"]) - flow_runs.epoch_seconds(run["start_time"])
        for run in earlier
        if run["state_type"] == "COMPLETED"
    )
    waits = [
        flow_runs.epoch_seconds(run["start_time"]) - flow_runs.epoch_seconds(run["created"]) for run in visits
    ]
    violations = [
        f"{run['id']} waited {wait:.1f} s and is {run['state_name']}"
        for run, wait in zip(visits, waits, strict=True)
        if wait > MAX_JOB_TIMES * job or run["state_type"] != "COMPLETED"
    ]
    waiting = sum(1 for run in earlier if run["state_type"] == "SCHEDULED")
    guarantees.add(
        "G14: one caller cannot starve another",
        len(visits),
        len(violations),
        f"an export waited at most {max(waits) / job:.1f} job times of {job:.1f} s"
        f" behind {len(earlier)} of other callers",
        f"in the order of their starts, it would have waited for {waiting} more",
        waiting / SLOTS > MAX_JOB_TIMES,
    )
    assert violations == [], f"a job takes {job:.1f} s"
    assert waiting > 3 * SLOTS


def test_the_limit_per_caller_holds_across_workers(
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
    return max(sum(1 for start, end in spans if start <= time < end) for time, _ in spans)
