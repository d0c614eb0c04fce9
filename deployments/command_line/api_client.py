"""The REST service as the commands see it: asked again while it is away, its refusals as exceptions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx

from deployments.command_line.backoff import Patience, told_pause
from deployments.command_line.exit_codes import Refused, Unreachable
from deployments.command_line.text.plain_text import one_line

LEAST_SECONDS, CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 10.0, 30.0
# This machine is never reached through a proxy, whatever the environment says.
NO_PROXY: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
_NOT_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)


class Problem(Exception):
    """A refusal, in the service's words; `errors` are those of RFC 9457's problem, with their pointers."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors


class Service:
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
        """As it may be shown: without the password that it may hold."""
        return str(self._url.copy_with(username=None, password=None))

    def limits(self, wait_seconds: int = 0) -> httpx.Timeout:
        """Of one try; the service may hold its answer back for `wait_seconds`."""
        patient = max(LEAST_SECONDS, self.timeout_seconds)
        answer_seconds = min(ANSWER_SECONDS, patient) + wait_seconds
        return httpx.Timeout(answer_seconds, connect=min(CONNECT_SECONDS, patient))

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        wait_seconds: int = 0,
        patience: Patience | None = None,
        once: Callable[[Callable[[], httpx.Response]], httpx.Response] = lambda send: send(),
        **content: Any,
    ) -> httpx.Response:
        """An answer of success, or a redirect. `once` goes around each single try."""
        patience = patience or Patience(self.timeout_seconds, self.clock)
        prefer = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        send = partial(
            self.http.request,
            method,
            f"{str(self._url).rstrip('/')}{path}",
            headers={**(headers or {}), **prefer, **self._authorization},
            timeout=self.limits(wait_seconds),
            **content,
        )
        while True:
            answer = _tried(partial(once, send))
            if answer is not None and not may_pass(answer):
                return _accepted(answer)
            self.pause(patience, answer, self._reproach(answer))

    def pause(self, patience: Patience, answer: httpx.Response | None, reproach: str) -> None:
        """Before something is tried again; Unreachable when it has been tried for long enough."""
        retry_after = answer.headers.get("retry-after") if answer is not None else None
        limited = answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        next_pause = patience.turn_seconds if limited else patience.pause_seconds
        pause = next_pause(told_pause(retry_after))
        if pause is None:
            raise Unreachable(reproach)
        self._warn(f"{reproach} Trying again in {pause:g} s.")
        self.sleep(pause)

    def _reproach(self, answer: httpx.Response | None) -> str:
        if answer is None:
            return f"The service at {self.address} does not answer."
        detail = problem_of(answer).detail
        return f"The service at {self.address} cannot serve now: {detail}"


def _tried(send: Callable[[], httpx.Response]) -> httpx.Response | None:
    """None when there was no answer."""
    try:
        return send()
    except (httpx.HTTPError, httpx.StreamError):
        return None


def may_pass(answer: httpx.Response) -> bool:
    return answer.is_server_error or answer.status_code in _NOT_NOW


def _accepted(answer: httpx.Response) -> httpx.Response:
    if answer.is_error or (answer.is_redirect and answer.status_code != HTTPStatus.SEE_OTHER):
        raise problem_of(answer)
    return answer


def problem_of(answer: httpx.Response) -> Problem:
    """Also of what is no problem document: a proxy's page, another server's answer."""
    fallback = f"{answer.status_code} {answer.reason_phrase}".strip()
    try:
        body = answer.json()
        detail = one_line(str(body.get("detail") or fallback))
        errors = [{name: str(value) for name, value in each.items()} for each in body.get("errors") or []]
    except (ValueError, AttributeError, TypeError):
        return Problem(answer.status_code, f"{fallback}.", [])
    return Problem(answer.status_code, detail, errors)


def json_of(answer: httpx.Response, *members: str) -> dict[str, Any]:
    """Refused when whatever answers at this address is something else."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body.keys() >= set(members):
        raise Refused("What answers at the address of --api is no export service.")
    return body


@contextmanager
def connected(
    url: httpx.URL, key: str | None, timeout_seconds: float, warn: Callable[[str], None]
) -> Iterator[Service]:
    with httpx.Client(mounts=NO_PROXY) as http:
        yield Service(http, url, key, timeout_seconds, warn)
