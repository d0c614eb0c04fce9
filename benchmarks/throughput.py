"""Many exports at once, and what each costs the Prefect server: warm worker against stock process worker.

Each worker has an API of its own; both speak to the same Prefect server through proxies that count.
"""

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import psutil
import psycopg

from benchmarks.counting_proxy import Counts, counting_proxy
from benchmarks.exporting import client, link, seconds_to_link, stack_of_its_own, start
from benchmarks.outcome import last_line, middle, table
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack

AT_ONCE = (5, 20)
# As many runs at a time as the warm worker of this machine takes; the stock one has no limit otherwise.
LIMIT = 2 * (psutil.cpu_count() or 1)
POLL_SECONDS = 0.2
QUIET_SECONDS = 4.0  # in which the last events and logs of a wave are written


@dataclass
class Side:
    """One worker with an API before it."""

    name: str
    api: httpx.AsyncClient
    counts: Counts


@dataclass(frozen=True)
class Wave:
    seconds: float
    jobs_per_second: float
    server_cpu_per_job: float
    calls_per_job: float


async def wave(side: Side, jobs: int, server: psutil.Process) -> Wave:
    cpu = cpu_seconds(server)
    calls = side.counts.calls
    begun = time.monotonic()
    ids = await asyncio.gather(*(start(side.api) for _ in range(jobs)))
    await asyncio.gather(*(link(side.api, job_id, POLL_SECONDS) for job_id in ids))
    seconds = time.monotonic() - begun
    await asyncio.sleep(QUIET_SECONDS)
    spent, called = cpu_seconds(server) - cpu, side.counts.calls - calls
    return Wave(seconds, jobs / seconds, spent / jobs, called / jobs)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def open_sides(prefect: httpx.Client, others: ExtraProcesses, urls: dict[str, str]) -> dict[str, str]:
    """The address of each side's API."""
    for name, url in urls.items():
        pool = f"measured-{name}"
        create_pool(prefect, pool, name)
        deploy_export(prefect, pool, pool)
        through = {"PREFECT_API_URL": url}
        if name == "warm":
            worker = others.start_warm_worker(pool, "--limit", str(LIMIT), **through)
        else:
            fast = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
            worker = others.start_process_worker(pool, "--limit", str(LIMIT), **through, **fast)
        others.wait_for_output(worker, "started!")
    return {
        name: others.start_api(PREFECT_API_URL=url, **pool_settings(f"measured-{name}", f"measured-{name}"))
        for name, url in urls.items()
    }


async def measure(
    stack: Stack, others: ExtraProcesses, turns: int
) -> tuple[dict[tuple[str, int], list[Wave]], Counts]:
    server = psutil.Process(stack.pids["prefect"])
    found: dict[tuple[str, int], list[Wave]] = {}
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        counts = {name: Counts() for name in ("warm", "process")}
        urls = {
            name: await enter(counting_proxy(stack.prefect_api_url, counts[name]))
            for name in ("warm", "process")
        }
        with stack.prefect_client() as prefect:
            apis = await asyncio.to_thread(open_sides, prefect, others, urls)
        sides = [Side(name, await enter(client(url)), counts[name]) for name, url in apis.items()]
        for side in sides:
            await seconds_to_link(side.api, POLL_SECONDS)  # what only the first one pays
        routes = await calls_of_one(sides[0])
        for _ in range(turns):
            for jobs in AT_ONCE:
                for side in sides:
                    found.setdefault((side.name, jobs), []).append(await wave(side, jobs, server))
    return found, routes


async def calls_of_one(side: Side, jobs: int = 5) -> Counts:
    """By route, of `jobs` exports one after the other, without what goes on when there are none."""
    await asyncio.sleep(QUIET_SECONDS)
    side.counts.clear()
    begun = time.monotonic()
    for _ in range(jobs):
        await seconds_to_link(side.api, POLL_SECONDS)
        await asyncio.sleep(2)
    await asyncio.sleep(QUIET_SECONDS)
    lasted, busy = time.monotonic() - begun, Counts(side.counts)
    side.counts.clear()
    await asyncio.sleep(10)
    return Counts(
        {
            name: round(max(0.0, number - side.counts[name] * lasted / 10) / jobs * 10)
            for name, number in busy.items()
        }
    )


def events_per_run(stack: Stack) -> float:
    """All that the server keeps, its own included."""
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url) as database:
        events = database.execute("SELECT count(*) FROM events WHERE event NOT LIKE '%heartbeat%'").fetchone()
        runs = database.execute("SELECT count(*) FROM flow_run").fetchone()
    return float(events[0]) / float(runs[0]) if events and runs else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    turns = parser.parse_args().turns
    with stack_of_its_own() as stack, extra_processes(stack) as others:
        found, routes = asyncio.run(measure(stack, others, turns))
        events = events_per_run(stack)
    table(
        ("calls to Prefect of one warm run", "times"),
        [(name, n / 10) for name, n in routes.most_common() if n],
    )
    head = ("worker", "at once", "last link s", "jobs/s", "server CPU s/job", "calls/job")
    means = {
        pair: [
            middle([getattr(each, field) for each in waves])
            for field in ("seconds", "jobs_per_second", "server_cpu_per_job", "calls_per_job")
        ]
        for pair, waves in found.items()
    }
    table(head, [(name, jobs, *values) for (name, jobs), values in means.items()])
    most = AT_ONCE[-1]
    last_line(
        benchmark="throughput",
        **{f"{name}_{jobs}_jobs_per_second": round(each[1], 2) for (name, jobs), each in means.items()},
        ratio=round(means["warm", most][1] / means["process", most][1], 1),
        warm_server_cpu_seconds_per_job=round(means["warm", most][2], 3),
        stock_server_cpu_seconds_per_job=round(means["process", most][2], 3),
        calls_per_warm_run=round(sum(n for name, n in routes.items() if not name.startswith("→")) / 10, 1),
        events_per_run=round(events, 1),
    )


if __name__ == "__main__":
    main()
