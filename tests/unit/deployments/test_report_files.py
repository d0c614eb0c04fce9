"""Test that `up --reload` notices changes to report files."""

import os
import sys
from pathlib import Path

import pytest

from deployments.stack.report_files import ReportFiles


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def test_added_changed_and_removed_files_are_noticed(folder: Path) -> None:
    files = ReportFiles(["watched_reports", "missing.module"])
    assert not files.have_changed()
    (folder / "watched_reports" / "inner").mkdir(parents=True)
    (folder / "watched_reports" / "__init__.py").touch()
    assert files.have_changed()
    assert not files.have_changed()
    table = folder / "watched_reports" / "inner" / "_tables.py"
    table.touch()
    assert files.have_changed()
    os.utime(table, (1, 1))
    assert files.have_changed()
    table.unlink()
    assert files.have_changed()
    assert not files.have_changed()


def test_a_single_module_is_watched(folder: Path) -> None:
    (folder / "watched_module.py").touch()
    files = ReportFiles(["watched_module"])
    os.utime(folder / "watched_module.py", (1, 1))
    assert files.have_changed()
