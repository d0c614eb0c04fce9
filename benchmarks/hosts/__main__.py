"""Measure the throughput of one host and of two hosts, and check that exports survive the loss of hosts.

Each worker, API and Prefect server runs on its own host. The hosts start with an earlier version, which is
upgraded while exports run. All hosts share the cores of this machine. While a role is measured, each of its
hosts may use only a fraction of a core, so that this role is the bottleneck.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.checkout import checked_out, name_of, previous_version
from benchmarks.hosts import faults
from benchmarks.hosts.cluster import Cluster, open_cluster
from benchmarks.hosts.load import ORDERS, SLOW, Client, Export, FileCheck
from benchmarks.hosts.network import Host, missing_requirements
from benchmarks.outcome import print_line, print_result, print_table
from tests.support import installed_wheel

LIMITED_CORES = 0.2
QUIET_SECONDS = 2.0
# No more exports start while this many are unfinished, so that their polls do not overload a busy machine.
MAX_UNFINISHED = 24

Fault = Callable[[Cluster], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Result:
    """The outcome of a batch. `cpu` maps each role to its CPU seconds per export."""

    title: str
    exports: Sequence[Export]
    seconds: float
    problems: Sequence[str]
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        return len(self.exports) / self.seconds


class ScaleTest:
    def __init__(self, cluster: Cluster, exports: int, new_programs: Path) -> None:
        self._cluster, self._exports, self._new_programs = cluster, exports, new_programs
        self._check = FileCheck(cluster)
        self.results: list[Result] = []

    async def run(self) -> None:
        await self._batch("warm-up")
        await self._batch("upgrade", partial(faults.upgrade, programs=self._new_programs))
        await self._measure("worker host", self._cluster.workers, self._cluster.start_worker)
        await self._measure(
            "Prefect server", self._cluster.prefect_servers, self._cluster.start_prefect_server
        )
        for title, fault in (
            ("a Prefect server is killed", faults.kill_a_prefect_server),
            ("a worker host is cut off", faults.cut_off_a_worker_host),
            ("PostgreSQL fails over", faults.fail_over_the_database),
        ):
            await self._batch(title, fault)
        await self._batch("after all faults")

    async def _measure(self, role: str, hosts: Sequence[Host], start: Callable[[Host], None]) -> None:
        """Measure two hosts of a role and then one of them."""
        _limit(hosts, LIMITED_CORES)
        await self._batch(f"two {role}s")
        self._cluster.stop(hosts[1])
        await self._batch(f"one {role}")
        _limit(hosts, None)
        start(hosts[1])

    def ratio(self, role: str) -> float:
        """Return how many times faster two hosts are than one."""
        per_second = {result.title: result.per_second for result in self.results}
        return round(per_second[f"two {role}s"] / per_second[f"one {role}"], 2)

    async def _batch(self, title: str, fault: Fault | None = None) -> None:
        """Start exports, inject the fault while they run, wait for all of them to end, and check each one."""
        client, before = Client(self._cluster.url, self._cluster.key), self._cluster.cpu_seconds()
        injection = asyncio.create_task(fault(self._cluster)) if fault else None
        started_at = time.monotonic()
        exports = await self._load(client, injection)
        seconds = time.monotonic() - started_at
        if injection:
            await injection
        await asyncio.sleep(QUIET_SECONDS)
        after = self._cluster.cpu_seconds()
        await client.close()
        checks = [self._check.problem(export.job) for export in exports]
        problems = [problem for problem in checks if problem]
        cpu = {} if fault else {role: (after[role] - before[role]) / len(exports) for role in after}
        self.results.append(Result(title, exports, seconds, problems, cpu))
        _print(self.results[-1:])
        for problem in problems:
            print_line(f"  {problem}")

    async def _load(self, client: Client, injection: asyncio.Task[None] | None) -> list[Export]:
        """Start exports and wait for them.

        Without a fault, `self._exports` exports start at once. With a fault, a new export starts every second
        until the fault is over and at least `self._exports` exports have started.
        """
        exports = []
        if injection is None:
            exports = [asyncio.create_task(client.export(ORDERS)) for _ in range(self._exports)]
        while injection and (not injection.done() or len(exports) < self._exports):
            if sum(not export.done() for export in exports) < MAX_UNFINISHED:
                request = SLOW if len(exports) % 3 == 0 else ORDERS
                exports.append(asyncio.create_task(client.export(request)))
            await asyncio.sleep(1)
        return await asyncio.gather(*exports)


def _limit(hosts: Sequence[Host], cores: float | None) -> None:
    for host in hosts:
        host.cpu.limit(cores)


def _print(results: Sequence[Result]) -> None:
    roles = list(results[-1].cpu)
    headings = (
        "batch",
        "exports",
        "exports/s",
        "slowest s",
        "problems",
        *(f"{role} CPU s" for role in roles),
    )
    rows = [
        (
            *(item.title, len(item.exports), item.per_second),
            *(max(export.seconds for export in item.exports), len(item.problems)),
            *(item.cpu.get(role, "") for role in roles),
        )
        for item in results
    ]
    print_table(headings, rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__)
    parser.add_argument("--exports", type=int, default=16, help="exports per batch (default: %(default)s)")
    parser.add_argument(
        "--previous", metavar="COMMIT", help="version to upgrade from (default: the last tag, or HEAD~100)"
    )
    arguments = parser.parse_args()
    previous = arguments.previous or previous_version()
    if missing := missing_requirements():
        parser.error(missing)
    started_at = time.monotonic()
    with TemporaryDirectory(prefix="versions-") as folder, checked_out(previous) as checkout:
        old_programs = installed_wheel.install(Path(folder) / "old", checkout)
        new_programs = installed_wheel.install(Path(folder) / "new")
        with open_cluster(old_programs) as cluster:
            test = ScaleTest(cluster, arguments.exports, new_programs)
            asyncio.run(test.run())
    results = test.results
    _print(results)
    problems = sum(len(result.problems) for result in results)
    print_result(
        benchmark="hosts",
        load_average=round(psutil.getloadavg()[1], 1),
        minutes=round((time.monotonic() - started_at) / 60, 1),
        problems=problems,
        previous=name_of(previous),
        second_worker_host=test.ratio("worker host"),
        second_prefect_server=test.ratio("Prefect server"),
    )
    sys.exit(problems > 0)


if __name__ == "__main__":
    main()
