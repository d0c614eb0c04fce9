"""Test how `make test-scale` detects a wrong file, and how it limits and measures the CPU time of hosts."""

import hashlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from benchmarks.hosts.cpu_group import CpuGroup
from benchmarks.hosts.load import FileCheck, rows_of
from benchmarks.hosts.servers import prefect_settings

ROOT = Path(__file__).parents[2]
# The cluster has no login for Prefect, because no other machine can reach its network.
NOT_IN_THE_BENCHMARK = {
    "EXTRA_PIP_PACKAGES",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
}
FILE = b"a,b,c,d,e,f,total\r\nSO-1,,,,,,5.00\r\nSO-2,,,,,,7.50\r\n"
TABLE = Counter({("SO-1", "5.00"): 1, ("SO-2", "7.50"): 1})


def problem(content: bytes, files: int = 1, **changes: Any) -> str | None:
    """Return the problem found in an export whose file has this content, or None."""
    keys = [{"Key": str(number)} for number in range(files)]
    s3 = SimpleNamespace(
        list_objects_v2=lambda **_: {"Contents": keys} if keys else {},
        get_object=lambda **_: {"Body": SimpleNamespace(read=lambda: content)},
    )
    cluster: Any = SimpleNamespace(storage=SimpleNamespace(client=lambda _: s3))
    receipt = {"sha256": hashlib.sha256(FILE).hexdigest()}
    job = {"id": "1", "status": "done", "file": receipt, "request": {"report": "orders"}, **changes}
    return FileCheck(cluster, {"orders": TABLE}).problem(job)


def test_a_whole_file_has_no_problem() -> None:
    assert problem(FILE) is None


@pytest.mark.parametrize("status", ["error", "running", "cancelled"])
def test_an_export_that_is_not_done_is_a_problem(status: str) -> None:
    assert problem(FILE, status=status) is not None


@pytest.mark.parametrize("files", [0, 2])
def test_a_missing_or_second_file_is_a_problem(files: int) -> None:
    assert "files" in str(problem(FILE, files))


def test_a_file_that_differs_from_the_receipt_is_a_problem() -> None:
    assert "receipt" in str(problem(FILE[:-10]))


@pytest.mark.parametrize("content", [FILE[:-10], FILE + b"SO-2,,,,,,7.50\r\n", FILE.replace(b"7.5", b"7.4")])
def test_a_file_that_differs_from_the_table_is_a_problem(content: bytes) -> None:
    receipt = {"sha256": hashlib.sha256(content).hexdigest()}
    assert "table" in str(problem(content, file=receipt))


def test_the_prefect_servers_have_the_settings_of_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "deployments/compose.yaml").read_text())
    expected = compose["x-prefect-server"]["environment"]
    environment = prefect_settings("", "redis", {"PREFECT_API_URL": "", "PREFECT_HOME": ""})
    assert {name for name in expected if name not in environment} == NOT_IN_THE_BENCHMARK
    different = {name for name, value in environment.items() if expected.get(name, value) != value}
    assert different == {"PREFECT_SERVER_DATABASE_CONNECTION_URL"}


def test_rows_are_counted() -> None:
    assert rows_of(FILE + b"SO-1,,,,,,5.00\r\n", (0,)) == Counter({("SO-1",): 2, ("SO-2",): 1})


def test_a_group_of_cgroup_version_1_is_limited_and_measured(tmp_path: Path) -> None:
    for controller in ("cpu", "cpuacct"):
        (tmp_path / controller).mkdir()
    group = CpuGroup("host", tmp_path)
    (tmp_path / "cpuacct/host/cpuacct.usage").write_text("2500000000\n")
    group.limit(0.25)
    assert (tmp_path / "cpu/host/cpu.cfs_quota_us").read_text() == "25000"
    group.limit(None)
    assert (tmp_path / "cpu/host/cpu.cfs_quota_us").read_text() == "-1"
    assert group.cpu_seconds() == 2.5


def test_a_group_of_cgroup_version_2_is_limited_and_measured(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu")
    group = CpuGroup("host", tmp_path)
    (tmp_path / "host/cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    group.limit(0.25)
    assert (tmp_path / "host/cpu.max").read_text() == "25000 100000"
    group.limit(None)
    assert (tmp_path / "host/cpu.max").read_text() == "max 100000"
    assert group.cpu_seconds() == 2.5
