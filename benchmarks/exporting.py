"""Exports as a client makes them: start, poll until there is a link."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.support.running_stack import Stack, running_stack

# 986 rows of the sample data.
SMALL = {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"}
GIVEN_UP_AFTER_SECONDS = 240.0


class NoFile(Exception):
    """An export did not end with a link."""


@contextmanager
def stack_of_its_own() -> Iterator[Stack]:
    with (
        TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder,
        running_stack(Path(folder) / "data") as stack,
    ):
        yield stack


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)


async def start(api: httpx.AsyncClient, request: Any = SMALL) -> str:
    """With a key of its own: the same request many times at once is many exports."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    answer = await api.post("/reports/csv", json=request, headers=key)
    return str(answer.raise_for_status().json()["data"])


async def link(api: httpx.AsyncClient, job_id: str, poll_seconds: float) -> str:
    until = time.monotonic() + GIVEN_UP_AFTER_SECONDS
    while time.monotonic() < until:
        answer = await api.get("/reports/csv", params={"jobId": job_id})
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            data = answer.raise_for_status().json()["data"]
            if data["status"] == "done":
                return str(data["url"])
            if data["status"] == "error":
                raise NoFile(f"{job_id}: {data['error']}")
        await asyncio.sleep(poll_seconds)
    raise NoFile(f"{job_id} did not end within {GIVEN_UP_AFTER_SECONDS:.0f} s")


async def seconds_to_link(api: httpx.AsyncClient, poll_seconds: float) -> float:
    begun = time.monotonic()
    await link(api, await start(api), poll_seconds)
    return time.monotonic() - begun
