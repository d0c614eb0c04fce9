import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import cli
from deployments.stack.parts import object_storage, postgres


@pytest.fixture
def no_local_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    umask = os.umask(0o022)
    postgres.package.cache_clear()
    monkeypatch.setattr(postgres, "package_folder", lambda name: None)
    monkeypatch.setattr(object_storage, "program", lambda name: None)
    for name in ("REPORTS_DATABASE_URL", "REPORTS_STORAGE_URL", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    yield
    postgres.package.cache_clear()
    os.umask(umask)  # `up` changes the umask of the whole process


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({}, "The embedded PostgreSQL is not installed. Install report-exports[local], or set "),
        ({"REPORTS_DATABASE_URL": "sqlite://"}, "or set REPORTS_DATABASE_URL and PREFECT_API_URL"),
        (
            {"REPORTS_DATABASE_URL": "sqlite://", "PREFECT_API_URL": "http://127.0.0.1:4200/api"},
            "The embedded S3 server is not installed. Install report-exports[local], or set ",
        ),
    ],
)
@pytest.mark.usefixtures("no_local_servers")
def test_up_says_what_to_install_or_set(
    replaced: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in replaced.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["up", "--port", "0", "--prefect-port", "0", "--data-dir", str(tmp_path / "data")]) == 2
    assert message in " ".join(capsys.readouterr().out.split())
