"""Run `report-exports up` in a child process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

READY_TIMEOUT_SECONDS = 180
STOP_TIMEOUT_SECONDS = 20
# Tests start more exports than the default limits allow. Tests of the limits override these settings.
GENEROUS_LIMITS = {
    "REPORTS_RUNNING_PER_CALLER": "1000",
    "REPORTS_QUEUED_PER_CALLER": "10000",
    "REPORTS_STARTS_PER_SECOND": "1000",
    "REPORTS_STARTS_BURST": "10000",
    "REPORTS_SCHEDULES_PER_CALLER": "10000",
    "REPORTS_PREVIEWS_PER_SECOND": "1000",
    "REPORTS_PREVIEWS_BURST": "10000",
    "REPORTS_OUTAGE_SECONDS": "10",  # so that slow responses on a busy machine do not count as an outage
}
STACK_VARIABLES = ("REPORTS_", "PREFECT_", "AWS_", "PG")


@dataclass(frozen=True)
class Stack:
    """A running stack. Except for the data directory, the fields are read from stack.json."""

    data_dir: Path
    api_url: str
    prefect_api_url: str
    prefect_api_auth_string: str
    database_url: str
    admin_database_url: str
    storage_url: str
    s3_endpoint_url: str
    aws_access_key_id: str
    aws_secret_access_key: str
    pids: Mapping[str, int]

    @property
    def bucket(self) -> str:
        return self.storage_url.removeprefix("s3://")

    @property
    def libpq_url(self) -> str:
        """URL for connecting to the reports database as its superuser."""
        return self.admin_database_url.replace("+psycopg", "")

    def prefect_client(self) -> httpx.Client:
        """Return an HTTP client for Prefect's REST API."""
        login = httpx.BasicAuth(*self.prefect_api_auth_string.split(":", 1))
        return httpx.Client(base_url=self.prefect_api_url, auth=login, timeout=30, trust_env=False)

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables for an additional API or worker on this stack."""
        return {
            "PREFECT_API_URL": self.prefect_api_url,
            "PREFECT_API_AUTH_STRING": self.prefect_api_auth_string,
            "PREFECT_HOME": str(self.data_dir / "tests"),
            "REPORTS_DATABASE_URL": self.database_url,
            "REPORTS_STORAGE_URL": self.storage_url,
            "REPORTS_CATALOG": "flows.samples",
            "REPORTS_WEBHOOK_SECRET_FILE": str(self.data_dir / "webhook-secret"),
            **GENEROUS_LIMITS,
            **self.aws,
        }

    @property
    def aws(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.s3_endpoint_url,
            "AWS_ACCESS_KEY_ID": self.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws_secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def clean_environment() -> dict[str, str]:
    """Return the environment, except for variables that would replace a part of the stack."""
    return {name: value for name, value in os.environ.items() if not name.startswith(STACK_VARIABLES)}


@contextmanager
def running_stack(
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    python: str = sys.executable,
    checkout: Path | None = None,
) -> Iterator[Stack]:
    """Run `report-exports up` and yield the stack.

    `checkout` is the path to a checkout of a different version of this repository. If it is given, the stack
    runs that version's code.
    """
    options = ["up", "--port", "0", "--prefect-port", "0", "--data-dir", str(data_dir)]
    output = data_dir.with_name("output.txt")
    with output.open("w") as file:
        process = subprocess.Popen(  # noqa: S603 - a fixed module
            [python, "-m", "deployments.cli", *options],
            env={
                **clean_environment(),
                **GENEROUS_LIMITS,
                **({"PYTHONPATH": str(checkout)} if checkout else {}),
                **(settings or {}),
            },
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C does not stop the stack while the tests still run
        )
    try:
        yield Stack(data_dir, **_read_stack_file(process, data_dir / "stack.json", output))
    finally:
        stop(process)


@contextmanager
def temporary_stack(settings: Mapping[str, str] | None = None, tries: int = 1) -> Iterator[Stack]:
    """Run a stack in a temporary folder. If it does not start, try again, up to `tries` times in total."""
    # PostgreSQL's user may not have access to pytest's temporary folders.
    with TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as folder, ExitStack() as stacks:
        for number in range(1, tries + 1):
            try:
                stack = stacks.enter_context(running_stack(Path(folder) / f"data{number}", settings))
                break
            except AssertionError as error:
                if number == tries:
                    raise
                print(f"the stack did not start, trying again: {error}")  # noqa: T201
        yield stack


def stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_stack_file(process: subprocess.Popen[Any], stack_file: Path, output: Path) -> dict[str, Any]:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not stack_file.exists():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, f"not ready in time: {output.read_text()}"
        time.sleep(0.1)
    fields = json.loads(stack_file.read_text())
    # Older commits, which benchmarks compare with, have a single database user and no password for Prefect.
    return {"prefect_api_auth_string": ":", "admin_database_url": fields["database_url"], **fields}
