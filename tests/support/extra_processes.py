"""Processes of a test's own beside a stack: workers, APIs. All that they start ends with the block."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from deployments.stack import orphan_processes
from tests.support.running_stack import Stack, clean_environment

READY_WITHIN_SECONDS = 90
ROOT = str(Path(__file__).resolve().parents[2])


class Beside:
    def __init__(self, stack: Stack, folder: Path, mark: str) -> None:
        self.stack, self._folder, self._mark = stack, folder, mark
        self._logs: dict[int, Path] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def environment(self, **settings: str) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), ROOT]))
        return {
            **clean_environment(),
            **self.stack.settings,
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
            "REPORTS_PUBLIC_URL": self.stack.api_url,
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            orphan_processes.MARK: self._mark,
            **settings,
        }

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """A Python with these arguments; what it says is kept."""
        log = self._folder / f"{secrets.token_hex(4)}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-P", *arguments],
                env=self.environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._logs[process.pid] = log
        self._processes.append(process)
        return process

    def reap(self) -> None:
        for process in self._processes:
            process.wait()

    def said(self, process: subprocess.Popen[bytes]) -> str:
        return self._logs[process.pid].read_text(errors="replace")

    def until_said(self, process: subprocess.Popen[bytes], words: str) -> None:
        until = time.monotonic() + READY_WITHIN_SECONDS
        while words not in self.said(process):
            assert process.poll() is None, self.said(process)
            assert time.monotonic() < until, self.said(process)
            time.sleep(0.05)

    def warm_worker(self, pool: str, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        settings = {"PREFECT_WORKER_QUERY_SECONDS": "2", **settings}
        return self.start("-m", "deployments.cli", "worker", "--pool", pool, *options, **settings)

    def stock_worker(self, pool: str, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        """Prefect's own process worker."""
        command = ("-m", "prefect", "worker", "start", "--type", "process", "--pool", pool)
        return self.start(*command, *options, **settings)

    def api(self, **settings: str) -> str:
        """The address of an API of its own, when it is ready; the last is `api_process`."""
        port = _free_port()
        options = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log")
        url = f"http://127.0.0.1:{port}"
        settings = {"REPORTS_PUBLIC_URL": url, **settings}
        process = self.start("-m", "uvicorn", "--factory", "api.app:create_app", *options, **settings)
        self.api_process = process
        until = time.monotonic() + READY_WITHIN_SECONDS
        while not _answers(f"{url}/healthz"):
            assert process.poll() is None, self.said(process)
            assert time.monotonic() < until, self.said(process)
            time.sleep(0.1)
        return url


@contextmanager
def beside(stack: Stack) -> Iterator[Beside]:
    mark = f"beside-{secrets.token_hex(8)}"
    with TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder:
        made = Beside(stack, Path(folder), mark)
        try:
            yield made
        finally:
            orphan_processes.end_all(mark, within_seconds=5)
            made.reap()


def make_pool(prefect: httpx.Client, name: str, kind: str, **facts: Any) -> None:
    """Of type `warm` with the template that the worker itself would give it."""
    from deployments.warm_worker import WarmWorker  # imports Prefect: 2 s

    template = WarmWorker.get_default_base_job_template() if kind == "warm" else {}
    body = {"name": name, "type": kind, "base_job_template": template, **facts}
    prefect.post("/work_pools/", json=body).raise_for_status()


def deploy_export(prefect: httpx.Client, name: str, pool: str) -> str:
    """The shipped deployment once more, on another pool."""
    shipped = prefect.get("/deployments/name/export-report/export").raise_for_status().json()
    ours = {key: shipped[key] for key in ("flow_id", "entrypoint", "path")}
    made = prefect.post("/deployments/", json={**ours, "name": name, "work_pool_name": pool})
    return str(made.raise_for_status().json()["id"])


def deploy(prefect: httpx.Client, flow: str, entrypoint: str, pool: str, **facts: Any) -> str:
    flow_id = prefect.post("/flows/", json={"name": flow}).raise_for_status().json()["id"]
    body = {"name": pool, "flow_id": flow_id, "entrypoint": entrypoint, "work_pool_name": pool, **facts}
    return str(prefect.post("/deployments/", json=body).raise_for_status().json()["id"])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def settings_of(deployment: str, pool: str) -> Mapping[str, str]:
    """With which an API starts its exports there."""
    return {"REPORTS_DEPLOYMENT": f"export-report/{deployment}", "REPORTS_WORK_POOL": pool}
