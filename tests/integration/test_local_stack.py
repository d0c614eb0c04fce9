"""Test how `report-exports up` starts, restarts and stops its parts, and which options it rejects."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import psutil
import psycopg
import pytest

from api.access.api_keys import KeyFile
from deployments.stack import orphan_processes
from deployments.stack.parts import sample_data
from deployments.stack.ports import Ports

COMMAND = [str(Path(sys.executable).with_name("report-exports")), "up"]
ROLES = {"postgres", "storage", "prefect", "worker", "api"}
READY_TIMEOUT_SECONDS = 120
# Variables that users may have set for other programs. The stack must ignore them.
UNRELATED = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "PGSSLMODE": "require",
    "PREFECT_PROFILE": "of-the-user",
    "AWS_SESSION_TOKEN": "of-the-user",
    "WEB_CONCURRENCY": "3",
}
REQUEST = {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"}


# This report looks valid until its columns are compared with the database.
REPORT_WITHOUT_COLUMN = """
from sqlalchemy import Column, Integer, MetaData, Table, select
from flows.reports import Report

surveys = Table("surveys", MetaData(), Column("id", Integer), Column("no_such_column", Integer))
REPORT = Report(name="ill", title="Ill", select=select(surveys), key=surveys.c.id.label("id"))
"""


class Up:
    def __init__(self, data_dir: Path, *options: str, **settings: str) -> None:
        self.data_dir = data_dir
        self._output = data_dir.with_name(f"{data_dir.name}.out")
        with self._output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*COMMAND, "--data-dir", str(data_dir), "--port", "0", "--prefect-port", "0", *options],
                env={**_without_settings(), **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def info(self) -> dict[str, Any]:
        return dict(json.loads((self.data_dir / "stack.json").read_text()))

    def wait_for_output(self, text: str, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
        deadline = time.monotonic() + timeout_seconds
        while text not in self.output:
            assert time.monotonic() < deadline, f"no {text!r} in: {self.output}"
            assert self.process.poll() is None, self.output
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGTERM, timeout_seconds: float = 5) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout_seconds)


@contextmanager
def up(data_dir: Path, *options: str, **settings: str) -> Iterator[Up]:
    stack = Up(data_dir, *options, **settings)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            try:
                stack.end()
            except subprocess.TimeoutExpired:
                stack.process.kill()
                stack.process.wait()
        orphan_processes.end_all(f"{data_dir}:")


def _without_settings() -> dict[str, str]:
    prefixes = ("REPORTS_", "PREFECT_", "AWS_", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data_dir = tmp_path_factory.mktemp("stack") / "data"
    with up(data_dir, "--sample-responses", "2000", **UNRELATED) as started:
        started.wait_for_output("Ready.")
        yield started


def parts_of(stack: Up) -> dict[str, str]:
    """Return settings that make another stack use the database and the Prefect server of this stack."""
    return {
        "REPORTS_DATABASE_URL": stack.info["database_url"],
        "PREFECT_API_URL": stack.info["prefect_api_url"],
        "PREFECT_API_AUTH_STRING": stack.info["prefect_api_auth_string"],
    }


def count_responses(info: dict[str, Any]) -> int:
    with psycopg.connect(info["admin_database_url"].replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT count(*) FROM survey_responses").fetchone()
    assert row
    return int(row[0])


@contextmanager
def bucket(info: dict[str, Any]) -> Iterator[Any]:
    client = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=info["s3_endpoint_url"],
        aws_access_key_id=info["aws_access_key_id"],
        aws_secret_access_key=info["aws_secret_access_key"],
    )
    yield client
    client.close()


def survivors(processes: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Return the processes that are still running after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while (running := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def _runs(process: psutil.Process) -> bool:
    try:  # A process that has ended stays a zombie until its parent reads the exit code.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ready_stack_answers_and_writes_its_addresses(stack: Up) -> None:
    info = stack.info
    assert info["pids"].keys() == ROLES
    children = {child.pid for child in psutil.Process(stack.process.pid).children()}
    assert children >= set(info["pids"].values())
    assert stat.S_IMODE((stack.data_dir / "stack.json").stat().st_mode) == 0o600
    assert httpx.get(f"{info['api_url']}/readyz").status_code == 200
    assert count_responses(info) == 2000
    assert f"{info['api_url']}/docs" in stack.output
    assert "No authentication: everyone on this machine is the caller `local`." in stack.output


def test_sample_data_covers_all_sizes_and_kinds_of_values(stack: Up) -> None:
    url = stack.info["admin_database_url"]
    assert not sample_data.load(url, 9), "it is loaded only once"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        sizes = connection.execute(
            "SELECT count(r.id) FROM surveys s LEFT JOIN survey_responses r ON r.survey_id = s.id"
            " GROUP BY s.id ORDER BY 1"
        ).fetchall()
        comments = {row[0] for row in connection.execute("SELECT comment FROM survey_responses")}
        kinds = connection.execute("SELECT count(DISTINCT kind) FROM survey_questions").fetchone()
    assert [size for (size,) in sizes] == [0, 1, 200, 1799]
    assert kinds == (7,)
    assert comments >= {None, "", "=SUM(1+1)", "-5", "היה נהדר, תודה רבה", "NULL", "\\."}
    assert any(comment and "\r\n" in comment for comment in comments)


def test_prefect_ui_and_deployment_exist(stack: Up) -> None:
    api = stack.info["prefect_api_url"]
    page = httpx.get(api.removesuffix("/api"), headers={"accept": "text/html"}, follow_redirects=True)
    assert "<title>Prefect" in page.text
    deployment = _prefect(stack.info, "/deployments/name/export-report/export").raise_for_status().json()
    assert deployment["entrypoint"] == "flows.export.export_report"
    assert deployment["schedules"] == []
    assert not deployment["pull_steps"]
    assert deployment["path"] is None


def test_database_of_prefect_has_an_index_of_tags(stack: Up) -> None:
    url = stack.info["admin_database_url"].replace("+psycopg", "").rpartition("/")[0] + "/prefect"
    with psycopg.connect(url) as connection:
        indexes = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'flow_run'"
        ).fetchall()
    assert [index for (index,) in indexes if "gin (tags)" in index]


def test_files_need_credentials(stack: Up) -> None:
    info = stack.info
    with bucket(info) as s3:
        s3.put_object(Bucket="report-exports", Key="test/secret.csv", Body=b"secret")
    assert httpx.get(f"{info['s3_endpoint_url']}/report-exports/test/secret.csv").status_code == 403
    for listener in _listeners(info["pids"]["storage"]):
        for path in ("/buckets/report-exports/test/secret.csv", "/report-exports/test/secret.csv"):
            assert _body(f"http://127.0.0.1:{listener}{path}") != b"secret"


def test_every_part_listens_on_loopback_only(stack: Up) -> None:
    addresses = {
        connection.laddr.ip
        for process in [psutil.Process(pid) for pid in stack.info["pids"].values()]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_killed_part_is_reported_and_restarted_at_its_address(stack: Up, role: str) -> None:
    before = stack.info
    reports = stack.output.count("ended with signal SIGKILL (-9)")
    psutil.Process(before["pids"][role]).kill()
    _wait_for(lambda: stack.info["pids"][role] != before["pids"][role], 10)
    assert stack.output.count("ended with signal SIGKILL (-9)") == reports + 1
    stack.wait_for_output(f"restarted (process {stack.info['pids'][role]})", 60)
    _wait_for(lambda: _status(f"{before['api_url']}/readyz") == 200, 60)
    assert {**before, "pids": None} == {**stack.info, "pids": None}
    assert count_responses(stack.info) == 2000


def test_second_stack_on_the_same_data_is_rejected(stack: Up) -> None:
    result = _run("--data-dir", str(stack.data_dir))
    assert result.returncode == 2
    assert f"in use by another `report-exports up` (process {stack.process.pid})" in result.stdout
    assert httpx.get(f"{stack.info['api_url']}/readyz").status_code == 200


def test_requested_port_in_use_is_rejected(stack: Up, tmp_path: Path) -> None:
    port = stack.info["api_url"].rpartition(":")[2]
    result = _run("--data-dir", str(tmp_path / "data"), "--port", port)
    assert result.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use" in result.stdout


def test_default_port_in_use_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        default = other.getsockname()[1]
        chosen = Ports(tmp_path / "ports.json").choose("api", None, default, "127.0.0.1")
    assert chosen != default
    assert Ports(tmp_path / "ports.json").any_free("api") == chosen, "the next start reuses it"


def test_replaced_parts_are_not_started_and_keys_open_the_api_to_other_machines(
    stack: Up, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    headers = {"Authorization": f"Bearer {keys.create('ada', None, datetime.now(UTC))}"}
    settings = parts_of(stack) | {
        "REPORTS_CATALOG": "flows.samples",
        "REPORTS_STORAGE_URL": f"file://{tmp_path}/files",
        "REPORTS_KEYS_FILE": str(tmp_path / "keys.json"),
        "REPORTS_PUBLIC_URL": "https://reports.example.com/",
    }
    with up(tmp_path / "data", "--host", "0.0.0.0", **settings) as second:  # noqa: S104 - API keys are required
        second.wait_for_output("Ready.")
        assert second.info["pids"].keys() == {"worker", "api"}
        assert second.info["storage_url"] == settings["REPORTS_STORAGE_URL"]
        assert "every caller needs an API key or a token. The API listens on 0.0.0.0." in second.output
        assert "Public URL   https://reports.example.com/" in second.output
        elsewhere = second.info["api_url"].replace("127.0.0.1", "127.0.0.2")
        assert _status(f"{elsewhere}/exports") == 401
        response = httpx.post(f"{elsewhere}/exports", json=REQUEST, headers=headers).raise_for_status()
        export = response.json()
        assert export["links"]["self"] == f"https://reports.example.com/exports/{export['id']}"
        assert second.end() == 0


def test_a_broken_report_ends_a_strict_start(stack: Up, tmp_path: Path) -> None:
    (tmp_path / "without_column.py").write_text(REPORT_WITHOUT_COLUMN)
    settings = parts_of(stack) | {
        "PYTHONPATH": str(tmp_path),
        "REPORTS_CATALOG": "without_column",
        "REPORTS_STORAGE_URL": f"file://{tmp_path}/files",
    }
    with up(tmp_path / "data", "--strict", **settings) as strict:
        processes: set[psutil.Process] = set()
        with suppress(psutil.NoSuchProcess):
            while strict.process.poll() is None:
                processes.update(strict.processes())
                time.sleep(0.02)
        assert strict.process.wait(READY_TIMEOUT_SECONDS) == 1
        assert processes
        assert "without_column.py: Table surveys has no column no_such_column." in strict.output
        assert "Traceback" not in strict.output
        assert not survivors([*processes], 0)


def test_stop_leaves_no_process_and_restart_keeps_all_data(stack: Up) -> None:
    """This is the last test of the shared stack, because it stops that stack."""
    info, processes = stack.info, stack.processes()
    job = httpx.post(f"{info['api_url']}/reports/csv", json=REQUEST).raise_for_status().json()["data"]
    with bucket(info) as s3:
        s3.put_object(Bucket="report-exports", Key="test/kept", Body=b"kept")
    processes += stack.processes()
    stack.process.send_signal(signal.SIGINT)
    assert stack.end(signal.SIGINT) == 0, "pressed twice"
    assert not survivors(processes, 0)
    assert not (stack.data_dir / "stack.json").exists()
    (stack.data_dir / "ports.json").unlink()
    with up(stack.data_dir) as second:
        second.wait_for_output("Ready.")
        assert "Keeping the existing sample data." in second.output
        assert count_responses(second.info) == 2000
        with bucket(second.info) as s3:
            assert s3.get_object(Bucket="report-exports", Key="test/kept")["Body"].read() == b"kept"
        assert _prefect(second.info, f"/flow_runs/{job}").status_code == 200
        processes = second.processes()
        second.process.kill()
        second.process.wait()
        assert not survivors(processes, 5), "its children end with a killed supervisor"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stack_can_be_stopped_while_it_starts(tmp_path: Path, number: int, code: int) -> None:
    with up(tmp_path / "data") as stack:
        stack.wait_for_output("PostgreSQL  ")
        time.sleep(1)
        processes = stack.processes()
        assert stack.end(number) == code
        assert not survivors(processes, 0)


def test_an_invalid_declaration_ends_a_strict_start_before_any_process(tmp_path: Path) -> None:
    (tmp_path / "nonsense.py").write_text("REPORT = 1")
    settings = {"PYTHONPATH": str(tmp_path), "REPORTS_CATALOG": "nonsense"}
    result = _run("--strict", "--data-dir", str(tmp_path / "data"), **settings)
    assert result.returncode == 2
    assert "nonsense.py: must define REPORT = Report(…)" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "is not a whole number from 0 to 65,535"),
        (["--port", "-1"], "is not a whole number"),
        (["--prefect-port", "x"], "is not a whole number"),
        (["--sample-responses", "0"], "from 1 to"),
        (["--sample-responses", "1e9"], "from 1 to"),
        (["--host", "0.0.0.0"], "authentication is not configured"),  # noqa: S104 - rejected
        (["--host", "192.0.2.1"], "authentication is not configured"),
        (["--host", "::"], "authentication is not configured"),
        (["--host", "example"], "is not an IP address"),
        (["--data-dir", "/dev/null/here"], "cannot be used as the data directory"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_invalid_option_is_rejected(options: list[str], message: str) -> None:
    result = _run(*options)
    assert result.returncode == 2
    assert message in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_foreign_address_is_rejected(tmp_path: Path) -> None:
    result = _run("--host", "192.0.2.1", REPORTS_KEYS_FILE=str(tmp_path / "keys.json"))
    assert result.returncode == 2
    assert "this machine has no address 192.0.2.1" in result.stderr


@pytest.mark.parametrize(
    "setting", ["REPORTS_DATABASE_URL=nonsense", "REPORTS_STORAGE_URL=gs://bucket", "PREFECT_API_URL=here"]
)
def test_invalid_setting_is_rejected(setting: str, tmp_path: Path) -> None:
    name, _, value = setting.partition("=")
    result = _run("--data-dir", str(tmp_path / "data"), **{name: value})
    assert result.returncode == 2
    assert f"{name} must be" in result.stderr


def test_a_storage_url_that_names_another_place_is_rejected(tmp_path: Path) -> None:
    result = _run("--data-dir", str(tmp_path / "data"), REPORTS_STORAGE_URL="s3://bucket/Año #1/x")
    assert result.returncode == 2
    assert "REPORTS_STORAGE_URL must not contain #" in result.stderr


def test_s3_without_credentials_is_rejected(tmp_path: Path) -> None:
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    result = _run("--data-dir", str(tmp_path / "data"), REPORTS_STORAGE_URL="s3://bucket", **nothing)
    assert result.returncode == 2
    assert "there are no AWS credentials" in result.stderr


def _run(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *options], env={**_without_settings(), **settings}, capture_output=True, text=True
    )


def _prefect(info: dict[str, Any], path: str) -> httpx.Response:
    login = httpx.BasicAuth(*info["prefect_api_auth_string"].split(":", 1))
    return httpx.get(f"{info['prefect_api_url']}{path}", auth=login)


def _listeners(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections("tcp")
    return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}


def _body(url: str) -> bytes:
    try:
        return httpx.get(url, timeout=2).content
    except httpx.TransportError:  # This port belongs to a gRPC listener.
        return b""


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


def _wait_for(condition: Any, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
