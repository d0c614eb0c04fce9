"""What the fault tests and benchmarks/rescue.py do to workers and runs, and what must be left then."""

import hashlib
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.session
import httpx
import psutil
import psycopg

from tests.support import flow_runs
from tests.support.extra_processes import Beside, beside, deploy_export, make_pool, settings_of
from tests.support.running_stack import Stack, running

POOL = "faults"
CATALOG = {"REPORTS_CATALOG": "tests.faults.slow_reports"}
BUSY = "SELECT client_port FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep%' AND state = 'active'"
ENDED_WITHIN_SECONDS = 60.0
FINAL = ("done", "error", "cancelled")
NEVER_STARTED = "both, right after the claim"
FAULTS = ("the worker", "its process", "both", NEVER_STARTED, "both frozen")


@dataclass(frozen=True)
class Victim:
    """A worker with one process."""

    worker: subprocess.Popen[bytes]

    @property
    def children(self) -> list[psutil.Process]:
        """The fork server's; that one is a child of the worker, like multiprocessing's resource tracker."""
        return [each for child in psutil.Process(self.worker.pid).children() for each in child.children()]

    def kill(self) -> None:
        self.worker.kill()
        self.worker.wait()


@dataclass
class Ground:
    """An API, a pool and workers of its own, on a stack."""

    stack: Stack
    others: Beside
    prefect: httpx.Client
    api: httpx.Client
    s3: Any

    def workers(self, number: int, limit: int = 1) -> list[Victim]:
        """They start at the same time."""
        options = ("--limit", str(limit), "--grace", "0")
        started = [self.others.warm_worker(POOL, *options, **CATALOG) for _ in range(number)]
        for worker in started:
            self.others.until_said(worker, "started!")
        return [Victim(worker) for worker in started]

    def start(self, report: str = "slow-orders") -> str:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answer = self.api.post("/reports/csv", json={"report": report}, headers=key)
        return str(answer.raise_for_status().json()["data"])

    def run_of(self, victim: Victim, job_ids: Iterable[str]) -> str:
        """Which of these jobs the worker has claimed: of those that it reached for, the last."""
        said = self.others.said(victim.worker)
        return max(job_ids, key=said.rfind)

    def reader(
        self, victim: Victim, other_than: psutil.Process | None = None, within_seconds: float = 40
    ) -> psutil.Process:
        """Its process, once it reads a slow report from the database."""
        until = time.monotonic() + within_seconds
        with psycopg.connect(self.stack.libpq_url, autocommit=True) as database:
            while time.monotonic() < until:
                ports = {row[0] for row in database.execute(BUSY)}
                for child in victim.children:
                    if child != other_than and ports & _ports_of(child):
                        return child
                time.sleep(0.02)
        raise AssertionError(self.others.said(victim.worker)[-2000:])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.api.get(f"/exports/{job_id}").raise_for_status().json())

    def until_ended(self, job_id: str, within_seconds: float = ENDED_WITHIN_SECONDS) -> dict[str, Any]:
        until = time.monotonic() + within_seconds
        while (job := self.job(job_id))["status"] not in FINAL:
            assert time.monotonic() < until, (job, flow_runs.states(self.prefect, job_id))
            time.sleep(0.1)
        return job

    def objects(self, job_id: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.stack.bucket, Prefix=f"{job_id}/")
        return [each["Key"] for each in found.get("Contents", [])]

    def is_whole(self, job: dict[str, Any]) -> bool:
        """Its one object is the one that the receipt speaks of."""
        (key,) = self.objects(job["id"])
        content = self.s3.get_object(Bucket=self.stack.bucket, Key=key)["Body"].read()
        linked = httpx.get(job["file"]["url"], trust_env=False).content
        sha256 = hashlib.sha256(content).hexdigest()
        return content == linked and sha256 == job["file"]["sha256"] and len(content) == job["file"]["bytes"]


def _ports_of(process: psutil.Process) -> set[int]:
    """None of a process that has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return {each.laddr.port for each in process.net_connections("tcp")}
    return set()


@contextmanager
def ground_of_its_own() -> Iterator[Ground]:
    """On a stack of its own: what is killed there is missed by nobody."""
    with (
        TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder,
        running(Path(folder) / "data") as stack,
        beside(stack) as others,
        httpx.Client(base_url=stack.prefect_api_url, timeout=30, trust_env=False) as prefect,
        ground(stack, others, prefect) as found,
    ):
        yield found


@contextmanager
def ground(stack: Stack, others: Beside, prefect: httpx.Client) -> Iterator[Ground]:
    make_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    s3 = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=stack.s3_endpoint_url,
        aws_access_key_id=stack.aws_access_key_id,
        aws_secret_access_key=stack.aws_secret_access_key,
    )
    url = others.api(**settings_of(POOL, POOL), **CATALOG)
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as api:
            yield Ground(stack, others, prefect, api, s3)
    finally:
        s3.close()


@dataclass(frozen=True)
class Struck:
    """One job after a fault; `recovery_seconds` from the fault to the file."""

    job: dict[str, Any]
    recovery_seconds: float


@dataclass(frozen=True)
class Aftermath:
    struck: dict[str, Struck]
    rescuer: Victim


def strike_all(field: Ground) -> Aftermath:
    """All faults at the same time, each on a worker of its own with one job; then one worker rescues all."""
    victims = dict(zip(FAULTS, field.workers(len(FAULTS)), strict=True))
    for child in _children_of(victims[NEVER_STARTED]):
        child.suspend()  # it is given the run, and never starts it
    jobs = [field.start() for _ in FAULTS]
    for job_id in jobs:
        flow_runs.until(field.prefect, job_id, "PENDING", "RUNNING")
    claimed = {field.run_of(victim, jobs): fault for fault, victim in victims.items()}
    frozen = _strike(field, victims)
    struck_at = time.monotonic()
    (rescuer,) = field.workers(1, limit=4)
    ended = _recovered(field, claimed, struck_at)
    for process in frozen:
        process.resume()
    time.sleep(3)  # in which the one that was frozen may do its worst
    for fault in ("its process", "both frozen"):
        victims[fault].kill()
    return Aftermath(ended, rescuer)


def _strike(field: Ground, victims: dict[str, Victim]) -> list[psutil.Process]:
    """The processes that are frozen now."""
    readers = {fault: field.reader(victim) for fault, victim in victims.items() if fault != NEVER_STARTED}
    victims["the worker"].kill()
    readers["its process"].kill()
    victims["both"].kill()
    readers["both"].kill()
    never_started = _children_of(victims[NEVER_STARTED])
    victims[NEVER_STARTED].kill()
    for child in never_started:
        child.kill()
    frozen = [psutil.Process(victims["both frozen"].worker.pid), readers["both frozen"]]
    for process in frozen:
        process.suspend()
    return frozen


def _recovered(field: Ground, claimed: dict[str, str], struck_at: float) -> dict[str, Struck]:
    found: dict[str, Struck] = {}
    until = time.monotonic() + 2 * ENDED_WITHIN_SECONDS
    while missing := [job_id for job_id, fault in claimed.items() if fault not in found]:
        assert time.monotonic() < until, [field.job(job_id) for job_id in missing]
        for job_id in missing:
            job = field.job(job_id)
            if job["status"] in FINAL:
                found[claimed[job_id]] = Struck(job, time.monotonic() - struck_at)
        time.sleep(0.1)
    return found


def _children_of(victim: Victim) -> list[psutil.Process]:
    until = time.monotonic() + 30
    while not (found := victim.children):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
