"""Read the state of an export, and use long polls to wait until it ends."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from deployments.command_line.api_client import ApiClient, parse_json
from deployments.command_line.backoff import parse_retry_after

LONG_POLL_SECONDS = 20
FINAL = ("done", "expired", "error", "cancelled")

Job = Mapping[str, Any]


def fetch_job(client: ApiClient, job_id: str) -> Job:
    return parse_job(client.request("GET", job_path(job_id)))


def parse_job(response: httpx.Response) -> Job:
    return parse_json(response, "id", "status", "rows", "queue", "etaSeconds", "file")


def job_path(job_id: str) -> str:
    return f"/exports/{quote(job_id, safe='')}"


def wait_until_ended(client: ApiClient, job: Job, show: Callable[[Job], None], pause: float = 0.0) -> Job:
    """Wait `pause` seconds, then poll until the export has ended, and return its final state."""
    show(job)
    while job["status"] not in FINAL:
        client.sleep(pause)
        requested_at = client.clock()
        response = client.request("GET", job_path(job["id"]), wait_seconds=LONG_POLL_SECONDS)
        job = parse_job(response)
        show(job)
        # The Retry-After period starts with the request, so a long poll may already have waited long enough.
        retry_after = parse_retry_after(response.headers.get("retry-after")) or 0.0
        pause = max(0.0, requested_at + retry_after - client.clock())
    return job
