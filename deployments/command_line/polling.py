"""An export from one state to the next, until it has ended."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from deployments.command_line.api_client import Service, json_of
from deployments.command_line.backoff import told_pause

LONG_POLL_SECONDS = 20
FINAL = ("done", "expired", "error", "cancelled")

Job = Mapping[str, Any]


def read(service: Service, job_id: str) -> Job:
    return job_of(service.ask("GET", path_of(job_id)))


def job_of(answer: httpx.Response) -> Job:
    return json_of(answer, "id", "status", "rows", "queue", "etaSeconds", "file")


def path_of(job_id: str) -> str:
    return f"/exports/{quote(job_id, safe='')}"


def until_ended(service: Service, job: Job, show: Callable[[Job], None], pause: float = 0.0) -> Job:
    """`pause` is how long after the last answer the next poll may come, in seconds."""
    show(job)
    while job["status"] not in FINAL:
        service.sleep(pause)
        asked_at = service.clock()
        answer = service.ask("GET", path_of(job["id"]), wait_seconds=LONG_POLL_SECONDS)
        job = job_of(answer)
        show(job)
        # A poll that the service itself has held for so long need not wait once more.
        told = told_pause(answer.headers.get("retry-after")) or 0.0
        pause = max(0.0, asked_at + told - service.clock())
    return job
