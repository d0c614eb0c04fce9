"""Test that a user's modules are found but cannot shadow our packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.reports import hidden_packages, load_reports
from tests.unit.reports.test_catalog import report_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder that contains a package named `api`, and return the folder.

    Each test imports modules with different names, because Python caches modules.
    """
    others = [entry for entry in sys.path if Path(entry) != ROOT and (Path(entry) / "flows").is_dir()]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in others])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "models.py").write_text("ORDERS = 1")
    return tmp_path


def test_a_report_in_the_current_folder_is_found(folder: Path) -> None:
    (folder / "found_here.py").write_text(report_file())
    assert load_reports(("found_here",)).reports["visits"].file == str(folder / "found_here.py")
    assert sys.path[-1] == str(folder)


def test_an_installed_package_wins_over_a_file_in_the_current_folder(folder: Path) -> None:
    (folder / "sqlalchemy.py").write_text("1 / 0")
    (folder / "shadow_test.py").write_text(report_file())
    assert load_reports(("shadow_test",)).broken == ()


def test_a_hidden_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "flows.py").touch()
    (folder / "deployments").mkdir()  # not listed, because it contains no Python files
    monkeypatch.setattr(sys, "path", [str(ROOT), str(folder)])
    assert list(hidden_packages()) == [folder / "flows.py", folder / "api"]


def test_an_import_of_a_hidden_package_is_explained(folder: Path) -> None:
    (folder / "uses_api.py").write_text("from api.models import ORDERS")
    [broken] = load_reports(("uses_api",)).broken
    assert broken.reason == (
        "ModuleNotFoundError: No module named 'api.models'; report-exports has its own package `api`, so"
        f" {folder}/api cannot be imported. Rename it"
    )


def test_a_missing_catalog_module_is_explained(folder: Path) -> None:
    [broken] = load_reports(("missing_reports",)).broken
    assert broken.reason == (
        "ModuleNotFoundError: No module named 'missing_reports'; start the command in the folder that"
        " contains it, or add the folder to PYTHONPATH"
    )


@pytest.mark.parametrize("options", [(), ("-P",)])
def test_our_packages_win_over_those_of_the_user(tmp_path: Path, options: tuple[str, ...]) -> None:
    for name in ("flows", "api", "deployments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError")
    finished = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *options, "-m", "report_exports", "keys", "--file", "keys.json", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
