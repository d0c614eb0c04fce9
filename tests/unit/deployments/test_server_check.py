"""Test how `worker` and `register` report a Prefect server that cannot be used."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import server_check
from tests.support.extra_processes import free_port


class OtherServer(BaseHTTPRequestHandler):
    """Web server that is not a Prefect server. The first part of the path is the status of the response."""

    closing = Event()

    def do_GET(self) -> None:
        status = self.path.split("/")[1]
        if status == "silent":
            self.closing.wait(10)
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(status))
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        OtherServer.closing.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("401/api", "the login was rejected. Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY."),
        ("403/api", "the login was rejected. Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY."),
        ("404", "it has no Prefect API at this path. PREFECT_API_URL usually ends with /api."),
        ("500/api", "it responded with 500."),
        ("503/api", "it responded with 503."),
        ("200/api", "it responds, but not like a Prefect server."),
        ("silent/api", "timed out."),
    ],
)
def test_a_server_that_cannot_be_used_is_explained(
    path: str, reason: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_check, "TIMEOUT_SECONDS", 0.5)
    with temporary_settings({PREFECT_API_URL: f"{url}/{path}"}):
        problem = server_check.find_problem()
    assert problem == f"The Prefect server at {url}/{path} (PREFECT_API_URL) cannot be used: {reason}"


def test_an_unknown_host_is_explained() -> None:
    message = "The Prefect server at http://prefect.invalid:4200/api (PREFECT_API_URL) cannot be used:"
    with temporary_settings({PREFECT_API_URL: "http://prefect.invalid:4200/api"}):
        problem = server_check.find_problem()
    assert problem is not None
    assert problem.startswith(f"{message} [Errno")


def test_a_reason_is_repeated_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = iter(["refused.", "refused.", "refused.", "rejected.", "rejected.", None])
    now, reports = 1000.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(server_check, "find_problem", lambda: next(problems))
    monkeypatch.setattr(server_check.time, "monotonic", lambda: now)
    monkeypatch.setattr(server_check.time, "sleep", sleep)
    monkeypatch.setattr(server_check, "RETRY_SECONDS", server_check.REPEAT_SECONDS / 2)
    server_check.wait_until_usable(reports.append)
    assert reports == ["refused. Trying again.", "refused. Trying again.", "rejected. Trying again."]


def test_a_worker_waits_for_the_server_until_a_signal(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    settings = {
        "REPORTS_DATABASE_URL": "sqlite://",
        "REPORTS_STORAGE_URL": "file:///files",
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "deployments.cli", "worker"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=os.environ | settings, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        line = worker.stderr.readline()
        worker.send_signal(signal.SIGTERM)
        rest = worker.stderr.read()
    assert f"The Prefect server at {url} (PREFECT_API_URL) cannot be used: [Errno 111] Connection" in line
    assert "Traceback" not in rest
    assert worker.returncode == 0
