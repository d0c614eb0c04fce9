"""Measure poll latency, the CPU time of a poll and the number of calls to Prefect.

2,000 clients poll 20 exports once a second. The exports start at the same time and end after a few seconds.
The API, Prefect, the worker and the clients share the machine.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.counting_proxy import Counts, counting_proxy
from benchmarks.exporting import open_client, start_export, wait_for_link
from benchmarks.measured_process import cpu_seconds, process_tree
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


@dataclass(frozen=True)
class Polls:
    """The seconds and statuses of all polls, the CPU seconds of the API, and the calls to Prefect."""

    seconds: list[float]
    statuses: Counts
    cpu_seconds: float
    calls: Counts


async def measure(
    stack: Stack, processes: ExtraProcesses, api_processes: int, pollers: int, seconds: float
) -> Polls:
    counts = Counts()
    async with counting_proxy(stack.prefect_api_url, counts) as url:
        with stack.prefect_client() as prefect:
            create_pool(prefect, POOL, "warm")
            deploy_export(prefect, POOL, POOL)
        worker = processes.start_warm_worker(POOL)
        api_url = await asyncio.to_thread(
            lambda: processes.start_api_processes(
                api_processes, PREFECT_API_URL=url, **pool_settings(POOL, POOL)
            )
        )
        await asyncio.to_thread(processes.wait_for_output, worker, "started!")
        async with open_client(api_url) as api:
            await wait_for_link(api, await start_export(api), 0.2)
            job_ids = await asyncio.gather(*(start_export(api) for _ in range(JOBS)))
            counts.clear()
            cpu_before = cpu_seconds(process_tree(processes.api_process.pid))
            report = await run_pollers(api_url, job_ids, pollers, seconds)
            cpu = cpu_seconds(process_tree(processes.api_process.pid)) - cpu_before
            calls = Counts(counts)
            for job_id in job_ids:
                await wait_for_link(api, job_id, 0.2)
    return Polls(report["seconds"], Counts(report["statuses"]), cpu, calls)


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
    parser.add_argument("--processes", type=int, default=1, help="processes of the API")
    options = parser.parse_args()
    with temporary_stack() as stack, extra_processes(stack) as processes:
        polls = asyncio.run(measure(stack, processes, options.processes, options.pollers, options.seconds))
    ms = [1000 * seconds for seconds in polls.seconds]
    p50, p99 = percentile(ms, 50), percentile(ms, 99)
    errors = sum(number for status, number in polls.statuses.items() if status != "200")
    polls_per_second, calls_per_second = len(ms) / options.seconds, polls.calls.calls / options.seconds
    cpu_ms = 1000 * polls.cpu_seconds / len(ms)
    print_line(
        f"{options.pollers} clients, {JOBS} exports, {options.seconds:.0f} s;"
        f" statuses: {dict(polls.statuses)}"
    )
    print_table(
        ("polls/s", "p50 ms", "p99 ms", "max ms", "errors", "CPU ms of the API/poll", "calls to Prefect/s"),
        [(f"{polls_per_second:,.0f}", p50, p99, max(ms), errors, cpu_ms, calls_per_second)],
    )
    print_table(("call", "times"), polls.calls.most_common())
    print_result(
        benchmark="polling",
        pollers=options.pollers,
        api_processes=options.processes,
        polls_per_second=round(polls_per_second),
        p50_ms=round(p50, 1),
        p99_ms=round(p99, 1),
        errors=errors,
        cpu_ms_per_poll=round(cpu_ms, 3),
        prefect_calls_per_second=round(calls_per_second, 1),
    )


if __name__ == "__main__":
    main()
