"""Test that the wheel contains every file in the packages."""

import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support import installed_wheel
from tests.support.installed_wheel import ROOT

PACKAGES = ("report_exports", "flows", "api", "deployments")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with ZipFile(installed_wheel.build(tmp_path_factory.mktemp("wheel"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_contains_every_file_of_the_packages(names: set[str]) -> None:
    listed = subprocess.run(  # noqa: S603 - a fixed command
        ["git", "ls-files", *PACKAGES],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(listed.stdout.split()) - names == set()
    assert "deployments/prefect.yaml" in names


def test_the_wheel_contains_no_other_top_level_package(names: set[str]) -> None:
    top_level = {Path(name).parts[0] for name in names}
    assert {name for name in top_level if not name.endswith(".dist-info")} == set(PACKAGES)
