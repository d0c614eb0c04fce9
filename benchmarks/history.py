"""Compare the service's speed with a short and with a long history of exports in Prefect's database.

The two histories are in two stacks. Each operation runs on both in turn, so that the load of other programs
affects both. The finished exports are inserted with SQL. Each is a copy of a real export, including its
state, progress artifact and task runs. The times of the exports are spread over 89 days. Exports older than
the retention period are marked as expired. No other exports become due for the sweep during the measurement.

The short history is just long enough to fill a page of each list. In an empty database, the lists would have
no items.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from benchmarks.exporting import SMALL_EXPORT, open_client, time_to_link, wait_for_link
from benchmarks.outcome import print_line, print_result, print_table
from tests.support.running_stack import Stack, temporary_stack

TIMES = 25
SWEEPS = 5
RECORDING_SECONDS = 5  # Prefect records task runs with a delay
POLL_SECONDS = 0.02
STATUSES = ("queued", "running", "done", "error", "cancelled", "expired")
ALLOWED_RATIO = 1.25
SHORT_HISTORY = 2_000

INSERT_RUNS = """
INSERT INTO flow_run
SELECT inserted.*
FROM flow_run AS original,
    (SELECT number, now() - interval '1 hour' - number * interval '89 days' / %(rows)s::int AS ended_at,
        CASE number %% 50 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'CANCELLED' ELSE 'COMPLETED' END AS type
     FROM generate_series(1, %(rows)s::int) AS number) AS copy,
    LATERAL jsonb_populate_record(original, jsonb_build_object(
        'id', md5('run' || %(prefix)s::text || copy.number)::uuid,
        'state_id', md5('state' || %(prefix)s::text || copy.number)::uuid,
        'name', %(prefix)s::text || copy.number,
        'idempotency_key', %(prefix)s::text || copy.number,
        'state_type', copy.type, 'state_name', initcap(copy.type),
        'tags', CASE WHEN copy.ended_at < now() - interval '6 days 22 hours' AND copy.type = 'COMPLETED'
                     THEN original.tags || '["expired"]' ELSE original.tags END,
        'expected_start_time', copy.ended_at, 'start_time', copy.ended_at, 'end_time', copy.ended_at,
        'state_timestamp', copy.ended_at, 'created', copy.ended_at, 'updated', copy.ended_at
    )) AS inserted
WHERE original.id = %(run)s
"""
INSERT_STATES = """
INSERT INTO flow_run_state
SELECT inserted.*
FROM flow_run AS first JOIN flow_run_state AS original ON original.id = first.state_id,
    flow_run AS copy,
    LATERAL jsonb_populate_record(original, jsonb_build_object(
        'id', copy.state_id, 'flow_run_id', copy.id, 'timestamp', copy.end_time,
        'type', copy.state_type, 'name', copy.state_name
    )) AS inserted
WHERE first.id = %(run)s AND starts_with(copy.idempotency_key, %(prefix)s)
"""
INSERT_ARTIFACTS = """
INSERT INTO artifact
SELECT inserted.*
FROM artifact AS original,
    flow_run AS copy,
    LATERAL jsonb_populate_record(original, jsonb_build_object(
        'id', md5('artifact' || copy.id)::uuid, 'flow_run_id', copy.id,
        'created', copy.end_time, 'updated', copy.end_time
    )) AS inserted
WHERE original.flow_run_id = %(run)s AND original.type = 'progress'
    AND starts_with(copy.idempotency_key, %(prefix)s)
"""
INSERT_TASK_RUNS = """
INSERT INTO task_run
SELECT inserted.*
FROM task_run AS original,
    flow_run AS copy,
    LATERAL jsonb_populate_record(original, jsonb_build_object(
        'id', md5('task' || original.id || copy.id)::uuid, 'flow_run_id', copy.id,
        'expected_start_time', copy.start_time, 'start_time', copy.start_time, 'end_time', copy.end_time,
        'state_timestamp', copy.end_time, 'created', copy.end_time, 'updated', copy.end_time
    )) AS inserted
WHERE original.flow_run_id = %(run)s AND starts_with(copy.idempotency_key, %(prefix)s)
"""


def insert_history(stack: Stack, run_id: str, rows: int) -> None:
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # skip foreign key checks
        for statement in (INSERT_RUNS, INSERT_STATES, INSERT_ARTIFACTS, INSERT_TASK_RUNS):
            database.execute(statement, {"run": run_id, "rows": rows, "prefix": f"copy-{rows}-"})
        for table in ("flow_run", "flow_run_state", "artifact", "task_run"):
            database.execute(f"VACUUM ANALYZE {table}")


class Operations:
    """The operations to measure. `all` returns the functions that run them, keyed by name."""

    def __init__(self, stack: Stack, api: httpx.AsyncClient, prefect: httpx.AsyncClient, run_id: str) -> None:
        self._stack, self._api, self._prefect, self._run_id = stack, api, prefect, run_id

    def all(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        lists = {f"GET /exports?status={status}": self._list(status=status) for status in STATUSES}
        return {
            "POST to link": lambda: time_to_link(self._api, POLL_SECONDS),
            "POST to link, without a key": self._export_without_key,
            "GET /exports": self._list(),
            **lists,
            "GET /exports?search=": self._list(search="no match"),
            "GET /exports?report=": self._list(report="survey-responses"),
            "GET /exports?scheduleId=": self._list(scheduleId=str(uuid4())),
            "GET /exports/{id}": lambda: self._get(f"/exports/{self._run_id}"),
            "GET /reports/csv": lambda: self._get("/reports/csv", jobId=self._run_id),
            "GET /metrics": lambda: self._get("/metrics"),
            "Prefect UI: run": self._show_run,
            "sweep": self.sweep,
        }

    async def _get(self, path: str, **query: str) -> None:
        (await self._api.get(path, params=query)).raise_for_status()

    def _list(self, **query: str) -> Callable[[], Awaitable[None]]:
        return lambda: self._get("/exports", **query)

    async def _export_without_key(self) -> None:
        response = await self._api.post("/reports/csv", json=SMALL_EXPORT)
        await wait_for_link(self._api, response.raise_for_status().json()["data"], POLL_SECONDS)

    async def _show_run(self) -> None:
        """Send the main requests that the Prefect UI sends to show a run."""
        of_run = {"flow_run_id": {"any_": [self._run_id]}}
        await asyncio.gather(
            self._prefect.get(f"/flow_runs/{self._run_id}"),
            self._prefect.get(f"/flow_runs/{self._run_id}/graph-v2"),
            self._prefect.post("/logs/filter", json={"logs": of_run}),
            self._prefect.post("/artifacts/filter", json={"artifacts": of_run}),
            self._prefect.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [self._run_id]}}}),
        )

    async def sweep(self) -> None:
        deployment = (await self._prefect.get("/deployments/name/sweep-files/sweep")).json()
        created = await self._prefect.post(f"/deployments/{deployment['id']}/create_flow_run", json={})
        path = f"/flow_runs/{created.json()['id']}"
        while (run := (await self._prefect.get(path)).json())["state_type"] != "COMPLETED":
            assert run["state_type"] not in ("FAILED", "CRASHED"), run["state"]  # noqa: S101 - a broken sweep
            await asyncio.sleep(POLL_SECONDS)


async def compare(operations: Sequence[Operations]) -> dict[str, list[float]]:
    """Return the median durations in seconds for each stack, keyed by the name of the operation."""
    functions = [stack_operations.all() for stack_operations in operations]
    return {name: await _measure([by_name[name] for by_name in functions], name) for name in functions[0]}


async def _measure(functions: Sequence[Callable[[], Awaitable[Any]]], name: str) -> list[float]:
    seconds: list[list[float]] = [[] for _ in functions]
    for function in functions:
        await function()  # warm-up
    for _ in range(TIMES if name != "sweep" else SWEEPS):
        for function, measured in zip(functions, seconds, strict=True):
            started_at = time.perf_counter()
            await function()
            measured.append(time.perf_counter() - started_at)
    return [median(measured) for measured in seconds]


async def prepare(stack: Stack, rows: int, clients: AsyncExitStack) -> Operations:
    """Run an export, insert copies of it, and return the operations for this stack."""
    login = httpx.BasicAuth(*stack.prefect_api_auth_string.split(":", 1))
    api = await clients.enter_async_context(open_client(stack.api_url))
    prefect = await clients.enter_async_context(
        httpx.AsyncClient(base_url=stack.prefect_api_url, auth=login, timeout=600, trust_env=False)
    )
    response = await api.post("/reports/csv", json=SMALL_EXPORT)
    run_id = response.raise_for_status().json()["data"]
    await wait_for_link(api, run_id, POLL_SECONDS)
    operations = Operations(stack, api, prefect, run_id)
    await operations.sweep()  # the first sweep of a Prefect server reads the last 30 days
    await asyncio.sleep(RECORDING_SECONDS)
    started_at = time.monotonic()
    await asyncio.to_thread(insert_history, stack, run_id, rows)
    print_line(f"Inserted {rows:,} exports in {time.monotonic() - started_at:.0f} s.")
    return operations


async def run(stacks: Sequence[Stack], rows: Sequence[int]) -> dict[str, list[float]]:
    async with AsyncExitStack() as clients:
        return await compare(
            [await prepare(stack, count, clients) for stack, count in zip(stacks, rows, strict=True)]
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished exports (default: %(default)s)")
    rows = parser.parse_args().rows
    with temporary_stack() as short, temporary_stack() as long:
        medians = asyncio.run(run((short, long), (SHORT_HISTORY, rows)))
    ratios = {name: long / short for name, (short, long) in medians.items()}
    print_table(
        ("operation", f"{SHORT_HISTORY:,} exports ms", f"{rows:,} exports ms", "ratio"),
        [(name, 1000 * medians[name][0], 1000 * medians[name][1], ratio) for name, ratio in ratios.items()],
    )
    print_result(
        benchmark="history",
        rows=rows,
        worst_ratio=round(max(ratios.values()), 2),
        above_limit=[name for name, ratio in ratios.items() if ratio > ALLOWED_RATIO],
    )


if __name__ == "__main__":
    main()
