"""Test the project that `report-exports init` creates, but without starting the service."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml  # type: ignore[import-untyped]

from api.settings import ApiSettings
from deployments import cli
from deployments.deployment_list import read_deployments
from deployments.project.env_file import load_env_file
from deployments.project.init_command import FILES, TEMPLATE
from tests.unit.reports.test_catalog import report_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    assert cli.main(["init", str(tmp_path / "exports")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "exports" / name) for name in FILES]
    monkeypatch.chdir(tmp_path / "exports")
    return tmp_path / "exports"


def run_tests(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "tests"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_the_test_of_a_project_finds_broken_reports(project: Path) -> None:
    (project / "reports" / "visits.py").write_text(report_file())
    assert run_tests(project).returncode == 0
    (project / "reports" / "broken.py").write_text(report_file(more=', sort="nothing"'))
    finished = run_tests(project)
    assert finished.returncode == 1
    assert "reports/broken.py:5: sort: cannot sort by 'nothing'; choose from id" in finished.stderr


def test_an_existing_file_is_never_overwritten(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".env").unlink()
    (project / "README.md").write_text("mine")
    assert cli.main(["init"]) == 2
    assert (
        "README.md exists, and `init` overwrites nothing" not in capsys.readouterr().err.split("prefect")[0]
    )
    assert (project / "README.md").read_text() == "mine"
    assert not (project / ".env").exists()


def test_settings_are_private_and_exist(project: Path) -> None:
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    names = set(re.findall(r"^#?(\w+)=", (project / ".env").read_text(), re.MULTILINE))
    settings = {name.removeprefix("REPORTS_").lower() for name in names if name.startswith("REPORTS_")}
    assert settings <= set(ApiSettings.model_fields)
    assert {"database_url", "storage_url", "catalog", "keys_file", "public_url"} <= settings
    assert ".env" in (project / ".gitignore").read_text().splitlines()


def test_the_compose_file_is_valid_and_uses_commands_and_variables_that_exist(project: Path) -> None:
    text = (project / "compose.yaml").read_text()
    compose: dict[str, Any] = yaml.safe_load(text)
    jsonschema.validate(compose, json.loads((ROOT / "tests/schemas/compose-spec.json").read_text()))
    parser, _ = cli._build_parser()
    for role in ("register", "api", "worker"):
        assert parser.parse_args(shlex.split(compose["services"][role]["command"])).command == role
    variables = set(re.findall(r"^(\w+)=", (project / ".env").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", text)) <= variables


def test_the_example_schedule_in_prefect_yaml_can_be_registered(project: Path) -> None:
    file = project / "prefect.yaml"
    assert [item["name"] for item in read_deployments({})] == ["export", "webhook", "sweep"]
    text = file.read_text().replace("deployments: []", "")
    example = re.sub(r"^#(?=deployments| {2})", "", text, flags=re.MULTILINE)
    file.write_text(example)
    assert read_deployments({})[-1]["schedules"] == [
        {"cron": "0 9 * * MON", "timezone": "Europe/Madrid", "slug": "weekly"}
    ]


def test_the_env_file_does_not_replace_variables(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("REPORTS_CATALOG", "")  # makes monkeypatch restore the variable after the test
    monkeypatch.delenv("REPORTS_CATALOG")
    (project / ".env").write_text("REPORTS_CATALOG='reports'\nREPORTS_DATABASE_URL=other\n")
    load_env_file()
    assert os.environ["REPORTS_CATALOG"] == "reports"
    assert os.environ["REPORTS_DATABASE_URL"] == "sqlite://"


def test_processes_of_a_stack_do_not_read_the_env_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTS_STACK", "mark")
    (project / ".env").write_text("AWS_SESSION_TOKEN=removed-by-up\n")
    load_env_file()
    assert "AWS_SESSION_TOKEN" not in os.environ


def test_every_template_is_used() -> None:
    assert {path.name for path in TEMPLATE.iterdir()} == set(FILES.values())
