"""Inject random faults into an API, its workers, their connections and the other parts of the stack."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import psycopg

from tests.support.extra_processes import ExtraProcesses
from tests.support.running_stack import Stack
from tests.support.tcp_proxy import CLEAR, TcpProxy, Weather

MAX_FAULT_SECONDS = 3.0
WORKERS, RUNS_PER_WORKER = 2, 4
CONNECTIONS = {
    "PREFECT_API_URL": "Prefect",
    "REPORTS_DATABASE_URL": "database",
    "AWS_ENDPOINT_URL": "storage",
}
PARTS = ("postgres", "storage", "prefect")
RESTART_SECONDS = 60.0
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()
"""


@contextmanager
def exhausted_connections(stack: Stack) -> Iterator[None]:
    """Open connections as the service's role until PostgreSQL accepts no more, and close them at the end."""
    connections: list[Any] = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                connections.append(psycopg.connect(stack.database_url.replace("+psycopg", "")))
        yield
    finally:
        for connection in connections:
            connection.close()


class Faults:
    """Random faults in an API and its workers. All their connections pass through proxies.

    If `kills_parts` is true, PostgreSQL, the S3 server and Prefect are also killed. The stack restarts them.
    """

    def __init__(
        self,
        stack: Stack,
        processes: ExtraProcesses,
        pool: str,
        settings: Mapping[str, str],
        seed: int,
        kills_parts: bool,
    ) -> None:
        self.stack, self._processes, self._pool = stack, processes, pool
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        urls = {**stack.settings, **stack.aws}
        self._proxies = {variable: TcpProxy(urls[variable]) for variable in CONNECTIONS}
        self._settings = {**settings, **{variable: proxy.url for variable, proxy in self._proxies.items()}}
        self._kinds = self._process_faults() | self._connection_faults()
        if kills_parts:
            self._kinds |= {f"{role} killed": self._part_killer(role) for role in PARTS}
        self.counts = Counter[str]()
        self.start_api()
        self._workers = [self._start_worker() for _ in range(WORKERS)]
        for worker in self._workers:
            processes.wait_for_output(worker, "started!")

    def close(self) -> None:
        for proxy in self._proxies.values():
            proxy.close()

    def lines_about(self, job_id: str) -> list[str]:
        return self._processes.lines_about(job_id)

    def inject(self) -> None:
        """Inject one random fault and wait until it is over."""
        kind = self._random.choice(list(self._kinds))
        self.counts[kind] += 1
        self._kinds[kind]()

    def start_api(self) -> None:
        self.api_url = self._processes.start_api(**self._settings)
        self._api = self._processes.api_process

    def _start_worker(self) -> subprocess.Popen[bytes]:
        options = ("--limit", str(RUNS_PER_WORKER), "--grace", "0")
        return self._processes.start_warm_worker(self._pool, *options, **self._settings)

    def _process_faults(self) -> dict[str, Callable[[], None]]:
        return {
            "worker killed": self._kill_worker,
            "run killed": self._kill_run,
            "run frozen": lambda: self._freeze(self._choose_run()),
            "worker frozen": lambda: self._freeze(psutil.Process(self._choose_worker().pid)),
            "API killed": self._kill_api,
            "queries terminated": self._terminate_queries,
            "connections exhausted": self._exhaust_connections,
        }

    def _connection_faults(self) -> dict[str, Callable[[], None]]:
        faults: dict[str, Callable[[], None]] = {}
        for variable, name in CONNECTIONS.items():
            proxy = self._proxies[variable]
            faults[f"{name} reset"] = proxy.reset_connections
            faults[f"{name} silent"] = self._weather_changer(proxy, lambda: Weather(swallows=True))
            faults[f"{name} slow"] = self._weather_changer(proxy, lambda: Weather(latency=0.1))
            faults[f"{name} narrow"] = self._weather_changer(proxy, lambda: Weather(bytes_per_second=20_000))
            faults[f"{name} cut"] = self._weather_changer(
                proxy, lambda: Weather(ends_after=self._random.randrange(5000))
            )
        return faults

    def _weather_changer(self, proxy: TcpProxy, choose: Callable[[], Weather]) -> Callable[[], None]:
        def change() -> None:
            proxy.weather = choose()
            self._sleep()
            proxy.weather = CLEAR
            proxy.reset_connections()

        return change

    def _sleep(self) -> None:
        time.sleep(self._random.uniform(1, MAX_FAULT_SECONDS))

    def _choose_worker(self) -> subprocess.Popen[bytes]:
        return self._random.choice(self._workers)

    def _choose_run(self) -> psutil.Process | None:
        helpers = psutil.Process(self._choose_worker().pid).children()
        runs = [run for helper in helpers for run in helper.children()]
        return self._random.choice(runs) if runs else None

    def _kill_run(self) -> None:
        if (process := self._choose_run()) is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _freeze(self, process: psutil.Process | None) -> None:
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            self._sleep()
            process.resume()

    def _kill_worker(self) -> None:
        worker = self._choose_worker()
        worker.kill()
        worker.wait()
        self._workers[self._workers.index(worker)] = self._start_worker()

    def _kill_api(self) -> None:
        self._api.kill()
        self._api.wait()
        self.start_api()

    def _terminate_queries(self) -> None:
        with (
            suppress(psycopg.OperationalError),  # PostgreSQL may still be starting after an earlier fault
            psycopg.connect(self.stack.libpq_url, autocommit=True) as connection,
        ):
            connection.execute(TERMINATE)

    def _exhaust_connections(self) -> None:
        with exhausted_connections(self.stack):
            self._sleep()

    def _part_killer(self, role: str) -> Callable[[], None]:
        def kill() -> None:
            pid = self._pids()[role]
            with suppress(ProcessLookupError):  # it may just have crashed
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + RESTART_SECONDS
            while self._pids()[role] == pid:
                assert time.monotonic() < deadline, f"{role} was not restarted"
                time.sleep(0.1)
            self._sleep()

        return kill

    def _pids(self) -> dict[str, int]:
        return dict(json.loads((self.stack.data_dir / "stack.json").read_text())["pids"])
