"""Test that a run waits for Prefect during an outage, and that its process ends if the outage is too long."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import Abort, ObjectNotFound, Pause, PrefectHTTPStatusError

from flows.runs import prefect_calls, retry_later
from flows.runs.prefect_calls import call_patiently
from tests.support.clock import NOON

RUN_ID = UUID("899e1228-d7b8-40fc-8490-70e6f1efb338")
STATE = {"type": "RUNNING", "name": "Running", "id": str(uuid4()), "timestamp": NOON.isoformat()}


class Ended(BaseException):
    """Raised instead of ending the process."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(prefect_calls, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", end)


class Prefect(ThreadingHTTPServer):
    """Fake Prefect server that responds with 500 to the first `failures` requests.

    Prefect responds like this when its database is unavailable.
    """

    failures = 0
    run_count = 1
    state = "RUNNING"
    accepts = True
    loses_response = False
    changes = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"


class Handler(BaseHTTPRequestHandler):
    server: Prefect

    def do_GET(self) -> None:
        if self.path.startswith("/api/csrf-token"):
            self.send_error(404)  # this server does not use CSRF tokens
            return
        self.respond(
            {
                "id": str(RUN_ID),
                "name": "any",
                "flow_id": str(uuid4()),
                "run_count": self.server.run_count,
                "state": {**STATE, "type": self.server.state},
            }
        )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.changes += 1
        if self.server.accepts:
            self.server.state = "SCHEDULED"
        if self.server.loses_response:  # in the meantime, the next attempt starts
            self.server.state, self.server.run_count = "RUNNING", self.server.run_count + 1
            self.close_connection = True
            return
        scheduled = {**STATE, "type": "SCHEDULED", "name": "AwaitingRetry"}
        self.respond({"status": "ACCEPT", "state": scheduled, "details": {"type": "accept_details"}})

    def respond(self, body: object) -> None:
        self.server.failures -= 1
        content = httpx.Response(200, json=body).content
        self.send_response(500 if self.server.failures >= 0 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefect]:
    with Prefect() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(
            retry_later, "get_client", lambda sync_client: SyncPrefectClient(server.url, server_type="server")
        )
        yield server
        server.shutdown()


def hand_back() -> None:
    retry_later.retry_later(RUN_ID, 1, "lost", timedelta(seconds=5), NOON)


@pytest.mark.parametrize("failures", range(4))
def test_a_run_is_handed_back_when_prefect_is_back(prefect: Prefect, failures: int) -> None:
    prefect.failures = failures
    with pytest.raises(Pause):
        hand_back()
    assert prefect.state == "SCHEDULED"


@pytest.mark.parametrize(("run_count", "state"), [(2, "RUNNING"), (1, "CANCELLING"), (1, "SCHEDULED")])
def test_a_run_that_was_taken_over_or_cancelled_is_left_alone(
    prefect: Prefect, run_count: int, state: str
) -> None:
    prefect.run_count, prefect.state = run_count, state
    with pytest.raises(Abort):
        hand_back()
    assert prefect.state == state


def test_a_run_that_has_continued_is_left_alone_if_the_response_is_lost(prefect: Prefect) -> None:
    """Regression test: Prefect's client repeated the request, which interrupted the next attempt."""
    prefect.loses_response = True
    with pytest.raises(Abort):
        hand_back()
    assert (prefect.state, prefect.changes) == ("RUNNING", 1)


def error_of(status: int) -> PrefectHTTPStatusError:
    request = httpx.Request("GET", "http://127.0.0.1/api")
    return PrefectHTTPStatusError("any", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize(
    "error", [error_of(500), error_of(503), error_of(429), httpx.ConnectError("refused")]
)
def test_the_process_ends_after_a_long_outage(error: Exception) -> None:
    seconds = iter(range(0, 300, 20))
    calls = []

    def call() -> None:
        calls.append(error)
        raise error

    with pytest.raises(Ended) as ended:
        call_patiently(call, lambda: next(seconds))
    assert ended.value.args == (os.EX_TEMPFAIL,)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "error", [error_of(404), error_of(409), ObjectNotFound(error_of(404)), ValueError("bad")]
)
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    def call() -> None:
        raise error

    with pytest.raises(type(error)):
        call_patiently(call)
