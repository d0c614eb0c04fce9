"""Compare the speed and resource use of two commits.

This benchmark measures the time until the download link is ready, the number of exports per second, the CPU
time per export, and the number of kilobytes that an export adds to each table in Prefect's database. The
kilobytes are measured before and after `VACUUM FULL`, which removes earlier versions of updated rows. Each
commit is checked out into a temporary folder and runs a separate stack. The two stacks take turns, so that
other load on the machine affects both. The reported numbers are the medians of all turns.

If the base needs other packages, install them and the base itself into a virtual environment, and pass its
Python as `--base-python`.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
import psycopg

from benchmarks.checkout import checked_out
from benchmarks.exporting import open_client, start_export, time_to_link, wait_for_link
from benchmarks.measured_process import cpu_seconds, process_tree
from benchmarks.outcome import print_result, print_table
from tests.support.running_stack import Stack, running_stack

CONCURRENT_JOBS = (1, 5, 20, 100)
# All clients together poll at this rate. If each of 100 clients polled every 50 ms, the benchmark would use
# more than half a core. The last link of 100 exports is therefore seen up to a second late.
POLLS_PER_SECOND = 100
MIN_POLL_SECONDS = 0.05
WARM_UP_EXPORTS = 8
# The length of the pause after a batch. During the pause, the last events and log lines arrive, and the
# worker can replace processes.
QUIET_SECONDS = 3.0
SMALLEST_GROWTH_KB = 0.1
PARTS = ("worker", "prefect", "postgres", "api")


@dataclass(frozen=True)
class Batch:
    """The results of a batch of concurrent exports.

    `seconds` is the time until the last link is ready. `worker`, `prefect`, `postgres` and `api` are the CPU
    seconds that each part used per export.
    """

    seconds: float
    jobs_per_second: float
    worker: float
    prefect: float
    postgres: float
    api: float


@contextmanager
def stack_of(commit: str, python: str) -> Iterator[Stack]:
    with (
        checked_out(commit) as checkout,
        TemporaryDirectory(prefix="reports-") as folder,
        running_stack(Path(folder) / "data", python=python, checkout=checkout) as stack,
    ):
        yield stack


async def run_batch(stack: Stack, jobs: int) -> Batch:
    before = cpu_of_parts(stack)
    poll_seconds = max(MIN_POLL_SECONDS, jobs / POLLS_PER_SECOND)
    async with open_client(stack.api_url) as api:
        started_at = time.monotonic()
        ids = await asyncio.gather(*(start_export(api) for _ in range(jobs)))
        await asyncio.gather(*(wait_for_link(api, job_id, poll_seconds) for job_id in ids))
        seconds = time.monotonic() - started_at
    await asyncio.sleep(QUIET_SECONDS)
    cpu = [(after - earlier) / jobs for earlier, after in zip(before, cpu_of_parts(stack), strict=True)]
    return Batch(seconds, jobs / seconds, *cpu)


def table_bytes(stack: Stack, vacuum: bool = False) -> Counter[str]:
    """Return the size of each table in Prefect's database, including its indexes."""
    url = stack.libpq_url.rpartition("/")[0] + "/prefect"
    with psycopg.connect(url, autocommit=True) as database:
        if vacuum:
            database.execute("VACUUM FULL")
        sizes = database.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return Counter({str(name): int(size) for name, size in sizes})


def stored_by_table(sizes: Counter[str], before: Counter[str], exports: int) -> dict[str, float]:
    """Return the average number of kilobytes that an export adds to each table.

    Tables that hardly grew are omitted.
    """
    added = {name: (size - before[name]) / exports / 1000 for name, size in sizes.most_common()}
    return {name: size for name, size in added.items() if size >= SMALLEST_GROWTH_KB}


def cpu_of_parts(stack: Stack) -> list[float]:
    return [cpu_seconds(process_tree(stack.pids[part])) for part in PARTS]


async def measure(
    stacks: list[Stack], turns: int, concurrent_jobs: list[int]
) -> dict[tuple[int, int], list[Batch]]:
    """Run all batches and return their results, keyed by stack index and number of concurrent exports."""
    for stack in stacks:
        async with open_client(stack.api_url) as api:
            for _ in range(WARM_UP_EXPORTS):
                await time_to_link(api, MIN_POLL_SECONDS)
    batches: dict[tuple[int, int], list[Batch]] = {}
    for _ in range(turns):
        for jobs in concurrent_jobs:
            for index, stack in enumerate(stacks):
                batches.setdefault((index, jobs), []).append(await run_batch(stack, jobs))
    return batches


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits", description=__doc__)
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("commit", nargs="?", default="HEAD", help="default: %(default)s")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=CONCURRENT_JOBS, help="exports at once")
    parser.add_argument("--base-python", default=sys.executable, help="Python with the base's packages")
    arguments = parser.parse_args()
    sides = ((arguments.base, arguments.base_python), (arguments.commit, sys.executable))
    with ExitStack() as exit_stack:
        stacks = [exit_stack.enter_context(stack_of(commit, python)) for commit, python in sides]
        before = [table_bytes(stack, vacuum=True) for stack in stacks]
        batches = asyncio.run(measure(stacks, arguments.turns, arguments.jobs))
        exports = WARM_UP_EXPORTS + arguments.turns * sum(arguments.jobs)
        stored = [
            stored_by_table(table_bytes(stack, vacuum), sizes, exports)
            for vacuum in (False, True)
            for stack, sizes in zip(stacks, before, strict=True)
        ]
    medians = {
        key: [median(values) for values in zip(*map(astuple, group), strict=True)]
        for key, group in batches.items()
    }
    headings = ("exports at once", "commit", "last link s", "exports/s", *(f"{part} CPU s" for part in PARTS))
    print_table(
        headings,
        [
            (str(jobs), sides[index][0], *medians[index, jobs])
            for jobs in arguments.jobs
            for index in range(len(sides))
        ],
    )
    commits = [commit for commit, _ in sides]
    names = dict.fromkeys(name for tables in stored for name in tables)
    print_table(
        ("table of Prefect, kB per export", *commits, *(f"{commit}, vacuumed" for commit in commits)),
        [(name, *(tables.get(name, 0.0) for tables in stored)) for name in names],
    )
    print_result(
        benchmark="commits",
        load_average=round(psutil.getloadavg()[1], 1),
        stored_kb_per_export=[round(sum(tables.values()), 1) for tables in stored[: len(sides)]],
        vacuumed_kb_per_export=[round(sum(tables.values()), 1) for tables in stored[len(sides) :]],
        **{
            f"{name}_ratio_at_{jobs}": round(
                medians[1, jobs][column] / max(medians[0, jobs][column], 1e-9), 2
            )
            for jobs in arguments.jobs
            for name, column in (("speed", 1), ("worker_cpu", 2), ("prefect_cpu", 3))
        },
    )


if __name__ == "__main__":
    main()
