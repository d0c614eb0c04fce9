"""Run a soak test that starts an export every second while many clients poll.

It measures errors, memory and the size of Prefect's database. `--busy N` also runs N processes that only use
CPU time, to show how the service behaves on a loaded machine. Such a machine may be too slow for an export
every second, so `--seconds-per-start` sets the interval.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import os
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import linear_regression
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg

from benchmarks.exporting import SMALL_EXPORT, open_client
from benchmarks.outcome import percentile, print_line, print_result, print_table
from tests.support.running_stack import Stack, temporary_stack

SAMPLE_SECONDS = 10.0
TIMEOUT_SECONDS = 60.0  # nginx waits this long for a response by default, and browsers wait longer
RECENT_JOBS = 50  # the clients poll this many of the most recent jobs
OUTAGE = {"REPORTS_OUTAGE_SECONDS": "1.5"}  # the service's default; test stacks set a higher value
MIB = 1 << 20
ROWS = """
    SELECT sum(n_live_tup)::bigint, pg_database_size(current_database()) FROM pg_stat_user_tables
"""


@dataclass
class Soak:
    """The measurements from a soak test.

    `polls` and `starts` count requests by HTTP status or by the name of the exception. `rejections` describes
    the starts that failed.
    """

    polls: Counter[str] = field(default_factory=Counter)
    starts: Counter[str] = field(default_factory=Counter)
    start_seconds: list[float] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    max_load: float = 0.0
    # Maps each role to its samples. Each sample contains the number of started jobs and the memory in MiB.
    samples: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def server_errors(self) -> int:
        statuses = self.polls + self.starts
        return sum(count for status, count in statuses.items() if not status.startswith(("2", "3", "4")))

    @property
    def failed_starts(self) -> int:
        return self.starts.total() - len(self.jobs)

    def mib_per_1000_jobs(self, role: str) -> float:
        """Return the memory growth of a role in MiB per 1,000 jobs.

        Only the second half of the samples is used, because caches and pools fill up during the first half.
        """
        samples = self.samples[role][len(self.samples[role]) // 2 :]
        jobs = [count for count, _ in samples]
        if len(set(jobs)) < 2:
            return 0.0
        return 1000 * linear_regression(jobs, [mib for _, mib in samples]).slope


async def start_jobs(soak: Soak, url: str, deadline: float, interval: float) -> None:
    """Start a job every `interval` seconds without waiting for earlier responses."""
    async with open_client(url, TIMEOUT_SECONDS) as api, asyncio.TaskGroup() as starts:
        for number in itertools.count(1):
            if time.monotonic() >= deadline:
                break
            starts.create_task(start_job(soak, api, number))
            await asyncio.sleep(interval)


async def start_job(soak: Soak, api: httpx.AsyncClient, number: int) -> None:
    started_at = time.monotonic()
    key = {"Idempotency-Key": secrets.token_hex(8)}
    try:
        response = await api.post("/reports/csv", json=SMALL_EXPORT, headers=key)
    except httpx.HTTPError as error:
        soak.starts[type(error).__name__] += 1
        return
    soak.starts[str(response.status_code)] += 1
    soak.start_seconds.append(time.monotonic() - started_at)
    if response.is_success:
        soak.jobs.append(response.json()["data"])
    else:
        soak.rejections.append(f"start {number} after {soak.start_seconds[-1]:.1f} s: {response.text}")


async def poll(soak: Soak, url: str, number: int, deadline: float) -> None:
    """Poll one of the most recent jobs once a second. Open a new connection after an error."""
    parts = urlsplit(url)
    while time.monotonic() < deadline:
        if not soak.jobs:  # the API closes connections that send no request
            await asyncio.sleep(0.1)
            continue
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            while time.monotonic() < deadline:
                started_at = time.monotonic()
                recent = soak.jobs[-RECENT_JOBS:]
                target = f"/reports/csv?jobId={recent[number % len(recent)]}"
                request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    soak.polls[await send_request(reader, writer, request)] += 1
                await asyncio.sleep(max(0.0, started_at + 1.0 - time.monotonic()))
            writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            soak.polls[type(error).__name__] += 1


async def sample_memory(soak: Soak, pids: Mapping[str, int], deadline: float) -> None:
    while time.monotonic() < deadline:
        soak.max_load = max(soak.max_load, os.getloadavg()[0])
        for role, pid in pids.items():
            soak.samples[role].append((len(soak.jobs), _memory_mib(pid)))
        await asyncio.sleep(SAMPLE_SECONDS)


def _memory_mib(pid: int) -> float:
    """Return the proportional set size, in MiB, of a process and its children."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total / MIB


def prefect_size(stack: Stack) -> tuple[int, int]:
    """Return the number of rows in Prefect's database and its size in bytes."""
    url = stack.libpq_url.rpartition("/")[0]
    with psycopg.connect(f"{url}/prefect") as connection:
        connection.execute("ANALYZE")
        rows, size = connection.execute(ROWS).fetchall()[0]
    return int(rows), int(size)


async def send_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return head[9:12].decode()


async def run(stack: Stack, seconds: float, pollers: int, interval: float) -> Soak:
    soak, deadline = Soak(), time.monotonic() + seconds
    await asyncio.gather(
        start_jobs(soak, stack.api_url, deadline, interval),
        sample_memory(soak, stack.pids, deadline),
        *(poll(soak, stack.api_url, number, deadline) for number in range(pollers)),
    )
    return soak


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    processes = [multiprocessing.Process(target=use_cpu, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def use_cpu() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(100_000))


def print_soak(soak: Soak, before: Sequence[int], after: Sequence[int]) -> None:
    thousands = max(1, len(soak.jobs)) / 1000
    rows = [
        (role, samples[0][1], samples[-1][1], soak.mib_per_1000_jobs(role))
        for role, samples in soak.samples.items()
    ]
    print_table(("role", "MiB at start", "MiB at end", "MiB per 1,000 jobs"), rows)
    print_line(f"starts: {dict(soak.starts)}; polls: {dict(soak.polls)}; load: {soak.max_load:.1f}")
    for rejection in soak.rejections:
        print_line(f"rejected {rejection}")
    ms = [1000 * seconds for seconds in soak.start_seconds]
    print_result(
        benchmark="soak",
        jobs=len(soak.jobs),
        failed_starts=soak.failed_starts,
        start_p50_ms=round(percentile(ms, 50)),
        start_p99_ms=round(percentile(ms, 99)),
        polls=soak.polls.total(),
        server_errors=soak.server_errors,
        max_load=round(soak.max_load, 1),
        mib_per_1000_jobs={role: round(slope, 1) for role, _, _, slope in rows},
        prefect_rows_per_1000_jobs=round((after[0] - before[0]) / thousands),
        prefect_mib_per_1000_jobs=round((after[1] - before[1]) / MIB / thousands, 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pollers", type=int, default=500)
    parser.add_argument("--busy", type=int, default=0, help="number of processes that only use CPU time")
    parser.add_argument("--seconds-per-start", type=float, default=1.0)
    options = parser.parse_args()
    with temporary_stack(OUTAGE) as stack:
        before = prefect_size(stack)
        with busy_processes(options.busy):
            soak = asyncio.run(run(stack, 60 * options.minutes, options.pollers, options.seconds_per_start))
        print_soak(soak, before, prefect_size(stack))


if __name__ == "__main__":
    main()
