"""Measure poll latency and the number of calls to Prefect while 2,000 clients poll 20 running exports.

Each client polls once a second.
"""

import argparse
import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from benchmarks.counting_proxy import Counts, counting_proxy
from benchmarks.exporting import open_client, start_export, wait_for_link
from benchmarks.outcome import percentile, print_line, print_result, print_table
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack, temporary_stack

POOL = "polled"
JOBS = 20


async def measure(
    stack: Stack, processes: ExtraProcesses, pollers: int, seconds: float
) -> tuple[list[float], Counts, Counts]:
    counts = Counts()
    async with counting_proxy(stack.prefect_api_url, counts) as url:
        with stack.prefect_client() as prefect:
            create_pool(prefect, POOL, "warm")
            deploy_export(prefect, POOL, POOL)
        worker = processes.start_warm_worker(POOL)
        api_url = await asyncio.to_thread(
            lambda: processes.start_api(PREFECT_API_URL=url, **pool_settings(POOL, POOL))
        )
        await asyncio.to_thread(processes.wait_for_output, worker, "started!")
        async with open_client(api_url) as api:
            await wait_for_link(api, await start_export(api), 0.2)
            job_ids = await asyncio.gather(*(start_export(api) for _ in range(JOBS)))
            counts.clear()
            report = await run_pollers(api_url, job_ids, pollers, seconds)
            calls = Counts(counts)
            for job_id in job_ids:
                await wait_for_link(api, job_id, 0.2)
    return report["seconds"], Counts(report["statuses"]), calls


async def run_pollers(api_url: str, job_ids: list[str], pollers: int, seconds: float) -> dict[str, Any]:
    url = urlsplit(api_url)
    parameters = {
        "host": url.hostname,
        "port": url.port,
        "job_ids": job_ids,
        "pollers": pollers,
        "seconds": seconds,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.pollers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + 60):
            stdout, _ = await process.communicate(json.dumps(parameters).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return dict(json.loads(stdout))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("--pollers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with temporary_stack() as stack, extra_processes(stack) as processes:
        seconds, statuses, calls = asyncio.run(measure(stack, processes, options.pollers, options.seconds))
    ms = [1000 * s for s in seconds]
    p50, p99 = percentile(ms, 50), percentile(ms, 99)
    errors = sum(number for status, number in statuses.items() if status != "200")
    polls_per_second, calls_per_second = len(ms) / options.seconds, calls.calls / options.seconds
    print_line(
        f"{options.pollers} clients, {JOBS} exports, {options.seconds:.0f} s; statuses: {dict(statuses)}"
    )
    print_table(
        ("polls/s", "p50 ms", "p99 ms", "max ms", "errors", "calls to Prefect/s"),
        [(f"{polls_per_second:,.0f}", p50, p99, max(ms), errors, calls_per_second)],
    )
    print_table(("call", "times"), calls.most_common())
    print_result(
        benchmark="polling",
        polls_per_second=round(polls_per_second),
        p50_ms=round(p50, 1),
        p99_ms=round(p99, 1),
        errors=errors,
        prefect_calls_per_second=round(calls_per_second, 1),
    )


if __name__ == "__main__":
    main()
