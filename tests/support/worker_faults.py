"""Kill and freeze workers and their processes, for the fault tests and benchmarks/rescue.py."""

import hashlib
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import botocore.session
import httpx
import psutil
import psycopg

from tests.support import flow_runs
from tests.support.extra_processes import (
    ExtraProcesses,
    create_pool,
    deploy_export,
    extra_processes,
    pool_settings,
)
from tests.support.running_stack import Stack

CATALOG = {"REPORTS_CATALOG": "flows.samples,tests.faults.slow_reports"}
BUSY = "SELECT client_port FROM pg_stat_activity WHERE query LIKE '/*%COPY%pg_sleep%' AND state = 'active'"
FINISH_TIMEOUT_SECONDS = 60.0
FINAL = ("done", "error", "cancelled")
NEVER_STARTED = "both, right after the claim"
FAULTS = ("the worker", "its process", "both", NEVER_STARTED, "both frozen")


@dataclass(frozen=True)
class Victim:
    """A worker that a test kills or freezes."""

    worker: subprocess.Popen[bytes]

    @property
    def children(self) -> list[psutil.Process]:
        """Processes that execute runs. They are children of the worker's fork server."""
        helpers = psutil.Process(self.worker.pid).children()
        return [child for helper in helpers for child in helper.children()]

    def kill(self) -> None:
        self.worker.kill()
        self.worker.wait()


@dataclass
class Cluster:
    """An additional API on a stack, with its own work pool and workers."""

    pool: str
    stack: Stack
    processes: ExtraProcesses
    prefect: httpx.Client
    api: httpx.Client
    s3: Any

    def start_workers(self, count: int, limit: int = 1, **settings: str) -> list[Victim]:
        """Start workers concurrently and wait until all of them are ready."""
        options, settings = ("--limit", str(limit), "--grace", "0"), {**CATALOG, **settings}
        workers = [self.processes.start_warm_worker(self.pool, *options, **settings) for _ in range(count)]
        for worker in workers:
            self.processes.wait_for_output(worker, "started!")
        return [Victim(worker) for worker in workers]

    def start(self, report: str = "slow-orders") -> str:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        response = self.api.post("/reports/csv", json={"report": report}, headers=key)
        return str(response.raise_for_status().json()["data"])

    def claimed_job(self, victim: Victim, job_ids: Iterable[str]) -> str:
        """Return the id of the job that the worker has claimed. It is the last job id in the worker's log."""
        log = self.processes.output(victim.worker)
        return max(job_ids, key=log.rfind)

    def wait_for_reader(
        self, victim: Victim, other_than: psutil.Process | None = None, within_seconds: float = 40
    ) -> psutil.Process:
        """Wait until a child process of the worker is reading a slow report, and return that process."""
        deadline = time.monotonic() + within_seconds
        with psycopg.connect(self.stack.libpq_url, autocommit=True) as database:
            while time.monotonic() < deadline:
                ports = {row[0] for row in database.execute(BUSY)}
                for child in victim.children:
                    if child != other_than and ports & _local_ports(child):
                        return child
                time.sleep(0.02)
        raise AssertionError(self.processes.output(victim.worker)[-2000:])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.api.get(f"/exports/{job_id}").raise_for_status().json())

    def wait_until_finished(
        self, job_id: str, within_seconds: float = FINISH_TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        deadline = time.monotonic() + within_seconds
        while (job := self.job(job_id))["status"] not in FINAL:
            assert time.monotonic() < deadline, (job, flow_runs.states(self.prefect, job_id))
            time.sleep(0.1)
        return job

    def objects(self, job_id: str) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.stack.bucket, Prefix=f"{job_id}/")
        return [stored["Key"] for stored in listing.get("Contents", [])]

    def is_whole(self, job: dict[str, Any]) -> bool:
        """Return whether the job's stored object matches the downloaded file and the receipt.

        Raises ValueError unless the job has exactly one stored object.
        """
        (key,) = self.objects(job["id"])
        content = self.s3.get_object(Bucket=self.stack.bucket, Key=key)["Body"].read()
        downloaded = httpx.get(job["file"]["url"], trust_env=False).content
        sha256 = hashlib.sha256(content).hexdigest()
        return bool(
            content == downloaded and sha256 == job["file"]["sha256"] and len(content) == job["file"]["bytes"]
        )


def _local_ports(process: psutil.Process) -> set[int]:
    """Return the local TCP ports of the process, or an empty set if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return {connection.laddr.port for connection in process.net_connections("tcp")}
    return set()


@contextmanager
def cluster_on(
    stack: Stack, prefect: httpx.Client, settings: Mapping[str, str] = CATALOG
) -> Iterator[Cluster]:
    """Create a separate work pool on the stack and start an API that uses it.

    The stack's own worker does not serve this pool.
    """
    pool = f"faults-{secrets.token_hex(4)}"
    create_pool(prefect, pool, "warm")
    deploy_export(prefect, pool, pool)
    s3 = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=stack.s3_endpoint_url,
        aws_access_key_id=stack.aws_access_key_id,
        aws_secret_access_key=stack.aws_secret_access_key,
    )
    try:
        with extra_processes(stack) as processes:
            url = processes.start_api(**pool_settings(pool, pool), **settings)
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as api:
                yield Cluster(pool, stack, processes, prefect, api, s3)
    finally:
        s3.close()


@dataclass(frozen=True)
class RecoveredJob:
    """A finished job. `recovery_seconds` is the time from the fault until the job finished."""

    job: dict[str, Any]
    recovery_seconds: float


@dataclass(frozen=True)
class Outcome:
    """The jobs affected by the faults, and the worker that rescued them."""

    jobs: dict[str, RecoveredJob]
    rescuer: Victim


def inject_faults(cluster: Cluster, rescuer_settings: Mapping[str, str]) -> Outcome:
    """Give each worker one job and a different fault, then start a worker that rescues the jobs."""
    victims = dict(zip(FAULTS, cluster.start_workers(len(FAULTS)), strict=True))
    for child in _wait_for_children(victims[NEVER_STARTED]):
        child.suspend()  # the process receives the run but never starts it
    job_ids = [cluster.start() for _ in FAULTS]
    for job_id in job_ids:
        flow_runs.wait_for_state(cluster.prefect, job_id, "PENDING", "RUNNING")
    faults = {cluster.claimed_job(victim, job_ids): fault for fault, victim in victims.items()}
    frozen = _kill_and_freeze(cluster, victims)
    fault_time = time.monotonic()
    (rescuer,) = cluster.start_workers(1, limit=4, **rescuer_settings)
    recovered = _wait_for_recovery(cluster, faults, fault_time)
    for process in frozen:
        process.resume()
    time.sleep(3)  # give the resumed processes time to do damage
    for fault in ("its process", "both frozen"):
        victims[fault].kill()
    return Outcome(recovered, rescuer)


def _kill_and_freeze(cluster: Cluster, victims: dict[str, Victim]) -> list[psutil.Process]:
    """Inject the faults and return the frozen processes."""
    readers = {
        fault: cluster.wait_for_reader(victim) for fault, victim in victims.items() if fault != NEVER_STARTED
    }
    victims["the worker"].kill()
    readers["its process"].kill()
    victims["both"].kill()
    readers["both"].kill()
    never_started = _wait_for_children(victims[NEVER_STARTED])
    victims[NEVER_STARTED].kill()
    for child in never_started:
        child.kill()
    frozen = [psutil.Process(victims["both frozen"].worker.pid), readers["both frozen"]]
    for process in frozen:
        process.suspend()
    return frozen


def _wait_for_recovery(
    cluster: Cluster, faults: dict[str, str], fault_time: float
) -> dict[str, RecoveredJob]:
    recovered: dict[str, RecoveredJob] = {}
    deadline = time.monotonic() + 2 * FINISH_TIMEOUT_SECONDS
    while missing := [job_id for job_id, fault in faults.items() if fault not in recovered]:
        assert time.monotonic() < deadline, [cluster.job(job_id) for job_id in missing]
        for job_id in missing:
            job = cluster.job(job_id)
            if job["status"] in FINAL:
                recovered[faults[job_id]] = RecoveredJob(job, time.monotonic() - fault_time)
        time.sleep(0.1)
    return recovered


def _wait_for_children(victim: Victim) -> list[psutil.Process]:
    deadline = time.monotonic() + 30
    while not (children := victim.children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return children
