"""Start additional API and worker processes on the shared stack for a test."""

import json
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

READY_TIMEOUT_SECONDS = 90
HTTP_PROTOCOL = "api.web.http_protocol:LimitedHttp"
ROOT = str(Path(__file__).resolve().parents[2])


class ExtraProcesses:
    def __init__(self, stack: Stack, folder: Path, mark: str) -> None:
        self.stack, self._folder, self._mark = stack, folder, mark
        self._empty_folder, self._temporary = folder / "empty", folder / "temporary"
        self._empty_folder.mkdir()
        self._temporary.mkdir()
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
            "TMPDIR": str(self._temporary),  # a killed process may leave files
            orphan_processes.MARK: self._mark,
            **settings,
        }

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start Python with the arguments. Use `output` to read the output of the process."""
        return self._start(arguments, settings, cwd=None)

    def start_in_empty_folder(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a process that may execute `prefect flow-run execute`, which copies the current folder."""
        return self._start(arguments, settings, self._empty_folder)

    def _start(
        self, arguments: tuple[str, ...], settings: Mapping[str, str], cwd: Path | None
    ) -> subprocess.Popen[bytes]:
        log = self._folder / f"{secrets.token_hex(4)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - fixed modules
                [sys.executable, "-P", *arguments],
                env=self.environment(**settings),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._logs[process.pid] = log
        self._processes.append(process)
        return process

    def start_runs(self, runs: Mapping[str, Mapping[str, str]], **settings: str) -> subprocess.Popen[bytes]:
        """Execute flow runs in separate processes. `runs` maps each run id to the settings of its process."""
        return self.start("-m", "tests.support.forked_runs", json.dumps(dict(runs)), **settings)

    def reap(self) -> None:
        for process in self._processes:
            process.wait()

    def output(self, process: subprocess.Popen[bytes]) -> str:
        return self._logs[process.pid].read_text(errors="replace")

    def lines_about(self, text: str) -> list[str]:
        """Return the lines that contain the text from the output of all processes."""
        outputs = [log.read_text(errors="replace") for log in self._logs.values()]
        return [line for output in outputs for line in output.splitlines() if text in line]

    def wait_for_output(self, process: subprocess.Popen[bytes], text: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while text not in self.output(process):
            assert process.poll() is None, self.output(process)
            assert time.monotonic() < deadline, self.output(process)
            time.sleep(0.05)

    def start_warm_worker(self, pool: str, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        settings = {"PREFECT_WORKER_QUERY_SECONDS": "2", **settings}
        return self.start("-m", "deployments.cli", "worker", "--pool", pool, *options, **settings)

    def start_process_worker(self, pool: str, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start Prefect's own process worker."""
        command = ("-m", "prefect", "worker", "start", "--type", "process", "--pool", pool)
        return self.start_in_empty_folder(*command, *options, **settings)

    def start_api(self, **settings: str) -> str:
        """Start an API, store its process in `api_process`, and return its URL once it is healthy."""
        port = free_port()
        options = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--http", HTTP_PROTOCOL)
        url = f"http://127.0.0.1:{port}"
        settings = {"REPORTS_PUBLIC_URL": url, **settings}
        process = self.start("-m", "uvicorn", "--factory", "api.server:create_app", *options, **settings)
        return self._wait_for_api(process, url)

    def start_api_processes(self, number: int, **settings: str) -> str:
        """Start several processes of an API with one address. Otherwise the same as `start_api`."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        options = ("--processes", str(number), "--port", str(port))
        settings = {"REPORTS_PUBLIC_URL": url, **settings}
        return self._wait_for_api(self.start("-m", "deployments.cli", "api", *options, **settings), url)

    def _wait_for_api(self, process: "subprocess.Popen[bytes]", url: str) -> str:
        self.api_process = process
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not _is_healthy(f"{url}/healthz"):
            assert process.poll() is None, self.output(process)
            assert time.monotonic() < deadline, self.output(process)
            time.sleep(0.1)
        return url


@contextmanager
def extra_processes(stack: Stack) -> Iterator[ExtraProcesses]:
    """Yield an object that starts processes, and end these processes after the block."""
    mark = f"extra-{secrets.token_hex(8)}"
    with TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder:
        processes = ExtraProcesses(stack, Path(folder), mark)
        try:
            yield processes
        finally:
            orphan_processes.end_all(mark, timeout_seconds=5)
            processes.reap()


def create_pool(prefect: httpx.Client, name: str, kind: str, **fields: Any) -> None:
    """Create a work pool. A pool of type `warm` gets the worker's default job template."""
    from deployments.warm_worker import WarmWorker  # this import takes 2 s, because it loads Prefect

    template = WarmWorker.get_default_base_job_template() if kind == "warm" else {}
    body = {"name": name, "type": kind, "base_job_template": template, **fields}
    prefect.post("/work_pools/", json=body).raise_for_status()


def deploy_export(prefect: httpx.Client, name: str, pool: str) -> str:
    """Copy the export deployment from prefect.yaml to another pool and return the id of the copy."""
    shipped = prefect.get("/deployments/name/export-report/export").raise_for_status().json()
    copied = {key: shipped[key] for key in ("flow_id", "entrypoint", "path")}
    response = prefect.post("/deployments/", json={**copied, "name": name, "work_pool_name": pool})
    return str(response.raise_for_status().json()["id"])


def deploy(prefect: httpx.Client, flow: str, entrypoint: str, pool: str, **fields: Any) -> str:
    flow_id = prefect.post("/flows/", json={"name": flow}).raise_for_status().json()["id"]
    body = {"name": pool, "flow_id": flow_id, "entrypoint": entrypoint, "work_pool_name": pool, **fields}
    return str(prefect.post("/deployments/", json=body).raise_for_status().json()["id"])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def pool_settings(deployment: str, pool: str) -> Mapping[str, str]:
    """Return settings that make an API start exports with this deployment and work pool."""
    return {"REPORTS_DEPLOYMENT": f"export-report/{deployment}", "REPORTS_WORK_POOL": pool}
