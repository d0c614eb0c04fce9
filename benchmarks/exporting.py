"""Start exports through the API and poll until they have a download link."""

import asyncio
import secrets
import time
from typing import Any

import httpx

# Selects 986 rows from the sample data.
SMALL_EXPORT = {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"}
TIMEOUT_SECONDS = 240.0


class ExportFailed(Exception):
    """The export failed or did not finish in time."""


def open_client(url: str, timeout_seconds: float = 30.0) -> httpx.AsyncClient:
    # The API closes connections that have been idle for five seconds.
    limits = httpx.Limits(keepalive_expiry=2)
    return httpx.AsyncClient(base_url=url, timeout=timeout_seconds, trust_env=False, limits=limits)


async def start_export(api: httpx.AsyncClient, request: Any = SMALL_EXPORT) -> str:
    """Start an export and return its job id.

    A random idempotency key ensures that each request creates a new job.
    """
    key = {"Idempotency-Key": secrets.token_hex(8)}
    response = await api.post("/reports/csv", json=request, headers=key)
    return str(response.raise_for_status().json()["data"])


async def wait_for_link(api: httpx.AsyncClient, job_id: str, poll_seconds: float) -> str:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        response = await api.get("/reports/csv", params={"jobId": job_id})
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            data = response.raise_for_status().json()["data"]
            if data["status"] == "done":
                return str(data["url"])
            if data["status"] == "error":
                raise ExportFailed(f"{job_id}: {data['error']}")
        await asyncio.sleep(poll_seconds)
    raise ExportFailed(f"{job_id} did not finish within {TIMEOUT_SECONDS:.0f} s")


async def time_to_link(api: httpx.AsyncClient, poll_seconds: float) -> float:
    started_at = time.monotonic()
    await wait_for_link(api, await start_export(api), poll_seconds)
    return time.monotonic() - started_at
