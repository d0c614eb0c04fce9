"""Test the messages about an external database or storage that cannot be used."""

import json
from pathlib import Path

import pytest

from deployments.roles.settings import load_settings
from deployments.stack.environment import Replaced
from deployments.stack.preflight import find_problems

DATABASE = "The database in REPORTS_DATABASE_URL cannot be used: "
STORAGE = "The storage in REPORTS_STORAGE_URL cannot be used: "


def problems(settings: dict[str, str]) -> list[str]:
    return list(find_problems(load_settings(settings), Replaced.from_environment(settings)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE", "postgresql://a@127.0.0.1:1/b", f"{DATABASE}connection failed: connection to server at"),
        (
            "DATABASE",
            "postgresql://a@no-host.invalid/b",
            f"{DATABASE}failed to resolve host 'no-host.invalid'",
        ),
        (
            "DATABASE",
            "mysql+pymysql://a@127.0.0.1:1/b",
            f"{DATABASE}(2003, \"Can't connect to MySQL server on",
        ),
        ("DATABASE", "sqlite:////dev/null/x.db", f"{DATABASE}unable to open database file"),
        ("STORAGE", "file:///dev/null/files", f"{STORAGE}[Errno 20] Not a directory: '/dev/null/files'"),
    ],
)
def test_an_unusable_part_is_explained(name: str, value: str, message: str) -> None:
    [problem] = problems({f"REPORTS_{name}_URL": value})
    assert message in problem
    assert "\n" not in problem
    assert problem.endswith(". The service starts and waits for it.")


def test_an_unusable_database_is_named() -> None:
    databases = {"away": "postgresql://a@127.0.0.1:1/b", "here": "sqlite://"}
    [problem] = problems({"REPORTS_DATABASES": json.dumps(databases)})
    assert problem.startswith("The database 'away' in REPORTS_DATABASES cannot be used: connection failed")


def test_usable_and_embedded_parts_are_not_mentioned(tmp_path: Path) -> None:
    assert problems({}) == []
    folder = tmp_path / "files"
    assert problems({"REPORTS_DATABASE_URL": "sqlite://", "REPORTS_STORAGE_URL": f"file://{folder}"}) == []
    assert list(folder.iterdir()) == []
