"""HTTP client for the export service. It retries requests and raises error responses as exceptions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx

from deployments.command_line.backoff import Backoff, parse_retry_after
from deployments.command_line.exit_codes import RequestRejected, ServiceUnreachable
from deployments.command_line.text.plain_text import strip_controls

MIN_TIMEOUT_SECONDS, CONNECT_SECONDS, RESPONSE_SECONDS = 1.0, 10.0, 30.0
# Connect directly to a service on this machine, even if the environment configures a proxy.
NO_PROXY: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
_RETRYABLE_CLIENT_ERRORS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)


NO_KEY = "The service requires an API key. Set REPORTS_API_KEY to your key."


class Problem(Exception):
    """An error response from the service.

    `detail` and `errors` are members of the RFC 9457 document in the response. Each error has a JSON pointer.
    """

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors


class ApiClient:
    def __init__(
        self,
        http: httpx.Client,
        url: httpx.URL,
        key: str | None,
        timeout_seconds: float,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.http, self.clock, self.sleep, self.timeout_seconds = http, clock, sleep, timeout_seconds
        self._url, self._warn = url, warn
        self._authorization = {"Authorization": f"Bearer {key}"} if key else {}

    @property
    def address(self) -> str:
        """The URL of the service. It does not include credentials, so it is safe to print."""
        return str(self._url.copy_with(username=None, password=None))

    def request_timeout(self, wait_seconds: int = 0) -> httpx.Timeout:
        """Return the timeout for one attempt. It is extended by `wait_seconds` for a long poll."""
        limit = max(MIN_TIMEOUT_SECONDS, self.timeout_seconds)
        response_seconds = min(RESPONSE_SECONDS, limit) + wait_seconds
        return httpx.Timeout(response_seconds, connect=min(CONNECT_SECONDS, limit))

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        wait_seconds: int = 0,
        backoff: Backoff | None = None,
        wrap_attempt: Callable[[Callable[[], httpx.Response]], httpx.Response] = lambda send: send(),
        **content: Any,
    ) -> httpx.Response:
        """Send a request and return the successful response or the redirect. Retry the request if it fails.

        Each attempt calls `wrap_attempt` with the function that sends the request. Raises Problem if the
        service rejects the request, and ServiceUnreachable if it is still unavailable after the timeout.
        """
        backoff = backoff or Backoff(self.timeout_seconds, self.clock)
        prefer = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        send = partial(
            self.http.request,
            method,
            f"{str(self._url).rstrip('/')}{path}",
            headers={**(headers or {}), **prefer, **self._authorization},
            timeout=self.request_timeout(wait_seconds),
            **content,
        )
        while True:
            response = _send_or_none(partial(wrap_attempt, send))
            if response is not None and not is_retryable(response):
                if response.status_code == HTTPStatus.UNAUTHORIZED and not self._authorization:
                    raise Problem(response.status_code, NO_KEY, [])
                return _raise_for_problem(response)
            self.pause(backoff, response, self._describe_failure(response))

    def pause(self, backoff: Backoff, response: httpx.Response | None, reason: str) -> None:
        """Wait before the next attempt. Raises ServiceUnreachable if the wait would exceed the timeout."""
        header = response.headers.get("retry-after") if response is not None else None
        limited = response is not None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        next_pause = backoff.pause_after_rate_limit if limited else backoff.pause_after_failure
        seconds = next_pause(parse_retry_after(header))
        if seconds is None:
            raise ServiceUnreachable(reason)
        self._warn(f"{reason} Trying again in {seconds:g} s.")
        self.sleep(seconds)

    def _describe_failure(self, response: httpx.Response | None) -> str:
        if response is None:
            return f"The service at {self.address} is not responding."
        detail = parse_problem(response).detail
        return f"The service at {self.address} is unavailable: {detail}"


def _send_or_none(send: Callable[[], httpx.Response]) -> httpx.Response | None:
    try:
        return send()
    except (httpx.HTTPError, httpx.StreamError):
        return None


def is_retryable(response: httpx.Response) -> bool:
    return response.is_server_error or response.status_code in _RETRYABLE_CLIENT_ERRORS


def _raise_for_problem(response: httpx.Response) -> httpx.Response:
    if response.is_error or (response.is_redirect and response.status_code != HTTPStatus.SEE_OTHER):
        raise parse_problem(response)
    return response


def parse_problem(response: httpx.Response) -> Problem:
    """Parse an error response. If the body is not a problem document, the detail is the status line."""
    status_line = f"{response.status_code} {response.reason_phrase}".strip()
    try:
        body = response.json()
        detail = strip_controls(str(body.get("detail") or status_line))
        errors = [{name: str(value) for name, value in error.items()} for error in body.get("errors") or []]
    except (ValueError, AttributeError, TypeError):
        return Problem(response.status_code, f"{status_line}.", [])
    return Problem(response.status_code, detail, errors)


def parse_json(response: httpx.Response, *members: str) -> dict[str, Any]:
    """Return the JSON object in the response.

    Raises RequestRejected if the body is not an object or lacks one of `members`. Such a response does not
    come from an export service.
    """
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body.keys() >= set(members):
        raise RequestRejected("The server at this address is not an export service. Check --api.")
    return body


@contextmanager
def connect(
    url: httpx.URL, key: str | None, timeout_seconds: float, warn: Callable[[str], None]
) -> Iterator[ApiClient]:
    with httpx.Client(mounts=NO_PROXY) as http:
        yield ApiClient(http, url, key, timeout_seconds, warn)
