"""Compare the warm worker with Prefect's process worker.

The benchmark measures throughput and the load on the Prefect server. Each worker has its own API. The workers
and APIs reach the same Prefect server through proxies that count requests.
"""

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

import httpx
import psutil
import psycopg

from benchmarks.counting_proxy import Counts, counting_proxy
from benchmarks.exporting import (
    open_client,
    start_export,
    time_to_link,
    wait_for_link,
)
from benchmarks.outcome import print_result, print_table
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack, temporary_stack

CONCURRENT_JOBS = (5, 20)
# The warm worker's default limit on concurrent runs. The process worker has no default limit, so it is given
# the same limit.
LIMIT = 2 * (psutil.cpu_count() or 1)
POLL_SECONDS = 0.2
QUIET_SECONDS = 4.0  # gives the server time to write the last events and logs of a batch


@dataclass
class Contender:
    """A worker whose throughput is measured, and the API that starts its exports.

    `counts` tracks the calls that the worker and the API make to the Prefect server.
    """

    name: str
    api: httpx.AsyncClient
    counts: Counts


@dataclass(frozen=True)
class Batch:
    seconds: float
    jobs_per_second: float
    server_cpu_per_job: float
    calls_per_job: float


async def run_batch(contender: Contender, jobs: int, server: psutil.Process) -> Batch:
    cpu_before = cpu_seconds(server)
    calls_before = contender.counts.calls
    started_at = time.monotonic()
    ids = await asyncio.gather(*(start_export(contender.api) for _ in range(jobs)))
    await asyncio.gather(*(wait_for_link(contender.api, job_id, POLL_SECONDS) for job_id in ids))
    seconds = time.monotonic() - started_at
    await asyncio.sleep(QUIET_SECONDS)
    cpu, calls = cpu_seconds(server) - cpu_before, contender.counts.calls - calls_before
    return Batch(seconds, jobs / seconds, cpu / jobs, calls / jobs)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def start_workers(prefect: httpx.Client, processes: ExtraProcesses, urls: dict[str, str]) -> dict[str, str]:
    """Start a worker and an API for each name and return the URLs of the APIs."""
    for name, url in urls.items():
        pool = f"measured-{name}"
        create_pool(prefect, pool, name)
        deploy_export(prefect, pool, pool)
        proxied = {"PREFECT_API_URL": url}
        if name == "warm":
            worker = processes.start_warm_worker(pool, "--limit", str(LIMIT), **proxied)
        else:
            fast_polling = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
            worker = processes.start_process_worker(pool, "--limit", str(LIMIT), **proxied, **fast_polling)
        processes.wait_for_output(worker, "started!")
    return {
        name: processes.start_api(
            PREFECT_API_URL=url, **pool_settings(f"measured-{name}", f"measured-{name}")
        )
        for name, url in urls.items()
    }


async def measure(
    stack: Stack, processes: ExtraProcesses, turns: int
) -> tuple[dict[tuple[str, int], list[Batch]], Counts]:
    server = psutil.Process(stack.pids["prefect"])
    batches: dict[tuple[str, int], list[Batch]] = {}
    async with AsyncExitStack() as exit_stack:
        enter = exit_stack.enter_async_context
        counts = {name: Counts() for name in ("warm", "process")}
        urls = {
            name: await enter(counting_proxy(stack.prefect_api_url, counts[name]))
            for name in ("warm", "process")
        }
        with stack.prefect_client() as prefect:
            apis = await asyncio.to_thread(start_workers, prefect, processes, urls)
        contenders = [
            Contender(name, await enter(open_client(url)), counts[name]) for name, url in apis.items()
        ]
        for contender in contenders:
            await time_to_link(contender.api, POLL_SECONDS)  # warm-up
        routes = await count_calls_per_run(contenders[0])
        for _ in range(turns):
            for jobs in CONCURRENT_JOBS:
                for contender in contenders:
                    batch = await run_batch(contender, jobs, server)
                    batches.setdefault((contender.name, jobs), []).append(batch)
    return batches, routes


async def count_calls_per_run(contender: Contender, jobs: int = 5) -> Counts:
    """Return the number of calls per run for each route, multiplied by ten and rounded.

    The calls are counted during `jobs` exports that run one after another. The number of calls that an idle
    system makes in the same time is subtracted.
    """
    await asyncio.sleep(QUIET_SECONDS)
    contender.counts.clear()
    started_at = time.monotonic()
    for _ in range(jobs):
        await time_to_link(contender.api, POLL_SECONDS)
        await asyncio.sleep(2)
    await asyncio.sleep(QUIET_SECONDS)
    seconds, busy = time.monotonic() - started_at, Counts(contender.counts)
    contender.counts.clear()
    await asyncio.sleep(10)
    return Counts(
        {
            name: round(max(0.0, number - contender.counts[name] * seconds / 10) / jobs * 10)
            for name, number in busy.items()
        }
    )


def events_per_run(stack: Stack) -> float:
    """Return the average number of stored events per run, excluding heartbeats.

    The server's internal events are included.
    """
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url) as database:
        events = database.execute("SELECT count(*) FROM events WHERE event NOT LIKE '%heartbeat%'").fetchone()
        runs = database.execute("SELECT count(*) FROM flow_run").fetchone()
    return float(events[0]) / float(runs[0]) if events and runs else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    turns = parser.parse_args().turns
    with temporary_stack() as stack, extra_processes(stack) as processes:
        batches, routes = asyncio.run(measure(stack, processes, turns))
        events = events_per_run(stack)
    print_table(
        ("calls to Prefect of one warm run", "times"),
        [(name, n / 10) for name, n in routes.most_common() if n],
    )
    headings = ("worker", "concurrent", "last link s", "jobs/s", "server CPU s/job", "calls/job")
    medians = {
        pair: [
            median([getattr(batch, field) for batch in pair_batches])
            for field in ("seconds", "jobs_per_second", "server_cpu_per_job", "calls_per_job")
        ]
        for pair, pair_batches in batches.items()
    }
    print_table(headings, [(name, jobs, *values) for (name, jobs), values in medians.items()])
    largest = CONCURRENT_JOBS[-1]
    print_result(
        benchmark="throughput",
        **{f"{name}_{jobs}_jobs_per_second": round(values[1], 2) for (name, jobs), values in medians.items()},
        ratio=round(medians["warm", largest][1] / medians["process", largest][1], 1),
        warm_server_cpu_seconds_per_job=round(medians["warm", largest][2], 3),
        stock_server_cpu_seconds_per_job=round(medians["process", largest][2], 3),
        calls_per_warm_run=round(sum(n for name, n in routes.items() if not name.startswith("→")) / 10, 1),
        events_per_run=round(events, 1),
    )


if __name__ == "__main__":
    main()
