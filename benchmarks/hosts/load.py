"""Start exports the way a client that follows the documentation would, and check the file of each export."""

import asyncio
import csv
import hashlib
import io
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import psycopg

from benchmarks.hosts.cluster import Cluster
from deployments.stack.parts.object_storage import BUCKET

POLL_SECONDS = 0.5
TIMEOUT_SECONDS = 180.0
FINAL = ("done", "error", "cancelled")
ORDERS: dict[str, Any] = {"report": "orders", "from": "2024-07-01", "to": "2024-07-31"}
# Each row takes 40 ms, so the export is still running when a fault happens.
SLOW: dict[str, Any] = {"report": "slow-orders"}
ROWS = {
    "orders": """
        SELECT number, total FROM orders WHERE placed_at >= '2024-07-01Z' AND placed_at < '2024-08-01Z'
    """,
    "slow-orders": "SELECT number FROM orders WHERE number < 'SO-2023-000201'",
}
# The columns that ROWS selects, given as zero-based positions in the exported file.
COLUMNS = {"orders": (0, 6), "slow-orders": (0,)}


@dataclass(frozen=True)
class Export:
    """The last known state of an export. `seconds` is the time from the request until polling stopped."""

    job: dict[str, Any]
    seconds: float


class Client:
    """A client that starts exports and polls them. It retries requests that get no usable response."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._api = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, headers=headers)

    async def export(self, request: Mapping[str, Any]) -> Export:
        started_at = time.monotonic()
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        job = await self._retry(partial(self._api.post, "/exports", json=request, headers=headers))
        while job["status"] not in FINAL and time.monotonic() < started_at + TIMEOUT_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            job = await self._retry(partial(self._api.get, f"/exports/{job['id']}"))
        return Export(job, time.monotonic() - started_at)

    async def _retry(self, call: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                response = await call()
                if not _is_temporary(response):
                    return dict(response.raise_for_status().json())
                problem = f"{response.status_code}: {response.text}"
            except httpx.TransportError as error:
                problem = repr(error)
            if time.monotonic() > deadline:
                raise TimeoutError(f"no usable response from the API; the last attempt ended with {problem}")
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        await self._api.aclose()


def _is_temporary(response: httpx.Response) -> bool:
    return response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS


@dataclass
class FileCheck:
    """Checks that each export has exactly one file and that the file contains the expected rows."""

    cluster: Cluster
    _rows: dict[str, Counter[tuple[str, ...]]] = field(default_factory=dict)

    def problem(self, job: Mapping[str, Any]) -> str | None:
        """Return a description of what is wrong with the export, or None if nothing is wrong."""
        if job["status"] != "done":
            return f"{job['id']} is {job['status']}: {job.get('error')}"
        s3 = self.cluster.storage.client("s3")
        listing = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{job['id']}/")
        keys = [stored["Key"] for stored in listing.get("Contents", [])]
        if len(keys) != 1:
            return f"{job['id']} has the files {keys}"
        return self._content_problem(job, s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read())

    def _content_problem(self, job: Mapping[str, Any], content: bytes) -> str | None:
        if hashlib.sha256(content).hexdigest() != job["file"]["sha256"]:
            return f"{job['id']} has a file that differs from its receipt"
        report = job["request"]["report"]
        if rows_of(content, COLUMNS[report]) != self._table_rows(report):
            return f"{job['id']} has a file that differs from the table"
        return None

    def _table_rows(self, report: str) -> Counter[tuple[str, ...]]:
        if report not in self._rows:
            url = self.cluster.database.url("postgres", "psycopg").replace("+psycopg", "")
            with psycopg.connect(url) as connection:
                rows = connection.execute(ROWS[report].encode()).fetchall()
            self._rows[report] = Counter(tuple(map(str, row)) for row in rows)
        return self._rows[report]


def rows_of(content: bytes, columns: tuple[int, ...]) -> Counter[tuple[str, ...]]:
    """Return how often each combination of values occurs in these columns of a CSV file."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    next(reader)  # the header
    return Counter(tuple(cell for column in columns for cell in row[column : column + 1]) for row in reader)
