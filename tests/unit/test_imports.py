"""Check which libraries are imported before the first row is converted."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("api.app", "pandas"),
        ("deployments.warm_worker.serve", "pandas"),
        ("deployments.warm_worker.serve", "pyarrow"),
    ],
)
def test_a_library_is_not_imported_before_it_is_needed(module: str, library: str) -> None:
    code = f"import sys, {module}; print('{library}' in sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed command
    assert run.stdout.strip() == "False"
