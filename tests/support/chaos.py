"""Start, poll and cancel exports while random faults are injected, and check the results."""

import csv
import hashlib
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.support.chaos_faults import Faults
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import Stack

CATALOG = {
    "REPORTS_CATALOG": "tests.faults.slow_reports",
    "REPORTS_RETRY_SECONDS": "1",
    "REPORTS_LOG_FORMAT": "json",  # so that a job's id and its traceback are on the same line
}
# Maps each report to the exclusive upper limit of its order numbers and to its share of the exports.
REPORTS = {"brief-orders": ("SO-2023-000101", 9), "slow-orders": ("SO-2023-000201", 1)}
FINAL = ("done", "error", "cancelled")
POLL_SECONDS, STARTS_PER_SECOND = 0.5, 1.7
MAX_UNFINISHED = 20
CANCELLED_SHARE = 0.05
NUMBERS = "SELECT number FROM orders WHERE number < %s ORDER BY number"


@dataclass
class Polls:
    """Counts polls and failures.

    A poll of a job counts only if an earlier response from the same API process included that job.
    """

    count: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class KnownJobs:
    """The jobs that the API process at `url` has already returned."""

    url: str
    ids: set[str] = field(default_factory=set)


class Chaos:
    """Generates load on an API. Keeps each accepted job's report and each finished job's final state."""

    def __init__(self, stack: Stack, faults: Faults, seed: int) -> None:
        self.stack, self._faults = stack, faults
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self.reports: dict[str, str] = {}  # maps the id of each accepted job to its report
        self.ended: dict[str, dict[str, Any]] = {}
        self.polls = Polls()
        self._known = KnownJobs(faults.api_url)
        self._http = httpx.Client(timeout=40, trust_env=False)

    def close(self) -> None:
        self._http.close()

    @property
    def unfinished(self) -> list[str]:
        return [job_id for job_id in list(self.reports) if job_id not in self.ended]

    @contextmanager
    def load(self) -> Iterator[None]:
        """Start exports during the block, and poll all unfinished exports.

        The rate of starts is lower while many exports are unfinished. After a fault, missed starts are made
        up for.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=[stop], daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(300)

    def _work(self, stop: threading.Event) -> None:
        started_at = time.monotonic()
        while not stop.wait(POLL_SECONDS):
            self._start_until(STARTS_PER_SECOND * (time.monotonic() - started_at))
            unfinished = self.unfinished
            if unfinished and self._random.random() < CANCELLED_SHARE:
                self._cancel(self._random.choice(unfinished))
            self.poll_unfinished()

    def _start_until(self, count: float) -> None:
        while len(self.reports) < count and len(self.unfinished) < MAX_UNFINISHED:
            if not self._start():
                return

    def _start(self) -> bool:
        """Start an export. Return whether it was accepted."""
        shares = [share for _, share in REPORTS.values()]
        (report,) = self._random.choices(list(REPORTS), shares)
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        try:
            url = f"{self._faults.api_url}/exports"
            response = self._http.post(url, json={"report": report}, headers=headers)
        except httpx.TransportError:
            return False
        if response.is_success:
            self.reports[response.json()["id"]] = report
        return response.is_success

    def _cancel(self, job_id: str) -> None:
        with suppress(httpx.TransportError):
            self._http.post(f"{self._faults.api_url}/exports/{job_id}/cancel")

    def poll_unfinished(self) -> list[str]:
        """Poll the unfinished jobs and return those that are still unfinished."""
        for job_id in self.unfinished:
            self.poll(job_id)
        return self.unfinished

    def poll(self, job_id: str) -> None:
        if self._known.url != self._faults.api_url:
            self._known = KnownJobs(self._faults.api_url)
        api = self._known
        try:
            response = self._http.get(f"{api.url}/exports/{job_id}")
        except httpx.ConnectError:
            return  # the API is restarting
        except httpx.TransportError as error:
            if api.url == self._faults.api_url and isinstance(error, httpx.TimeoutException):
                self._count_poll(job_id, api, type(error).__name__)
            return
        self._count_poll(
            job_id, api, "" if response.is_success else f"{response.status_code} {response.text}"
        )
        if response.is_success:
            api.ids.add(job_id)
            if response.json()["status"] in FINAL:
                self.ended[job_id] = response.json()

    def poll_as_known(self, job_id: str) -> None:
        """Poll a job as if the API process had already returned it."""
        self._known.ids.add(job_id)
        self.poll(job_id)

    def _count_poll(self, job_id: str, api: KnownJobs, failure: str) -> None:
        if job_id in api.ids:
            self.polls.count += 1
            if failure:
                self.polls.failures[failure] += 1

    def wait_until_all_ended(self, within_seconds: float) -> float:
        """Wait up to `within_seconds` for all jobs to end. Return the number of seconds waited."""
        started_at = time.monotonic()
        while self.poll_unfinished() and time.monotonic() - started_at < within_seconds:
            time.sleep(POLL_SECONDS)
        return time.monotonic() - started_at

    def with_status(self, status: str) -> list[dict[str, Any]]:
        return [job for job in self.ended.values() if job["status"] == status]

    def wrong_files(self) -> dict[str, str]:
        """Compare each finished job's file with its receipt and the database.

        Return the differences, keyed by job id.
        """
        results = {job["id"]: self._compare(job) for job in self.with_status("done")}
        return {job_id: difference for job_id, difference in results.items() if difference}

    def _compare(self, job: dict[str, Any]) -> str:
        try:  # The link in the last response may have expired.
            job = self._http.get(f"{self._faults.api_url}/exports/{job['id']}").raise_for_status().json()
            if job["status"] != "done":
                return f"the export was done and is now {job['status']}: {job['error']}"
            content = self._http.get(job["file"]["url"]).raise_for_status().content
        except httpx.HTTPError as error:
            return f"the file cannot be downloaded: {error!r}"
        return difference(content, job["file"]["sha256"], self.expected(self.reports[job["id"]]))

    def stored_keys(self) -> set[str]:
        """Return the keys of the objects behind the links of all finished jobs.

        The attempt in a key may be lower than the job's. If the response to a claim is lost, the claim is
        repeated, and Prefect counts both.
        """
        urls = [job["file"]["url"] for job in self.with_status("done")]
        return {"/".join(urlsplit(url).path.rsplit("/", 2)[1:]) for url in urls}

    def expected(self, report: str) -> list[str]:
        with psycopg.connect(self.stack.libpq_url) as connection:
            return [row[0] for row in connection.execute(NUMBERS, [REPORTS[report][0]])]


def difference(content: bytes, sha256: str, numbers: list[str]) -> str:
    """Return how a file differs from its receipt or the database, or an empty string if it matches both."""
    if hashlib.sha256(content).hexdigest() != sha256:
        return "the bytes differ from the receipt"
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))[1:]
    return "" if sorted(row[0] for row in rows) == sorted(numbers) else "the rows differ from the database"


@contextmanager
def chaos_on(
    stack: Stack, prefect: httpx.Client, seed: int, kills_parts: bool
) -> Iterator[tuple[Chaos, Faults]]:
    pool = f"chaos-{secrets.token_hex(4)}"
    create_pool(prefect, pool, "warm")
    deploy_export(prefect, pool, pool)
    with ExitStack() as resources:
        processes = resources.enter_context(extra_processes(stack))
        settings = {**CATALOG, **pool_settings(pool, pool)}
        faults = Faults(stack, processes, pool, settings, seed, kills_parts)
        resources.callback(faults.close)
        chaos = Chaos(stack, faults, seed)
        resources.callback(chaos.close)
        yield chaos, faults
