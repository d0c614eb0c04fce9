"""Check whether the Prefect server in PREFECT_API_URL can be used, and say why not.

The check uses Prefect's own client, so it applies the same login, certificates and headers as the service.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 1.0
REPEAT_SECONDS = 60.0


class ServerUnusable(Exception):
    """The Prefect server cannot be used. The message gives the reason."""


def wait_until_usable(report: Callable[[str], object], wait_seconds: float = math.inf) -> None:
    """Wait for the server. Report the reason at once, when it changes, and then once a minute.

    Raises ServerUnusable with the last reason after `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    reported, reported_at = "", 0.0
    while (problem := find_problem()) is not None:
        now = time.monotonic()
        if now >= deadline:
            raise ServerUnusable(problem)
        if problem != reported or now - reported_at >= REPEAT_SECONDS:
            report(f"{problem} Trying again.")
            reported, reported_at = problem, now
        time.sleep(min(RETRY_SECONDS, deadline - now))


def find_problem() -> str | None:
    """Return an error message if the server cannot be used, otherwise None.

    Unlike the health check, this function sends a request that requires the login.
    """
    try:
        with impatient_client() as client:
            client.read_work_pools(limit=1)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"The Prefect server at {_url()} (PREFECT_API_URL) cannot be used: {_reason(error)}"
    return None


def _url() -> str:
    """Return the URL of the server without its password."""
    parts = urlsplit(str(PREFECT_API_URL.value()))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextmanager
def impatient_client() -> Iterator[SyncPrefectClient]:
    """Yield a client that does not retry and waits at most `TIMEOUT_SECONDS` for a response."""
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={"timeout": TIMEOUT_SECONDS}, sync_client=True) as client,
    ):
        yield client


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return _reason_of_status(error.response.status_code)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return f"{str(error) or type(error).__name__}."
    return "it responds, but not like a Prefect server."


def _reason_of_status(status: int) -> str:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "the login was rejected. Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
    if status == httpx.codes.NOT_FOUND:
        return "it has no Prefect API at this path. PREFECT_API_URL usually ends with /api."
    return f"it responded with {status}."
