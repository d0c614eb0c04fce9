"""Check which libraries are imported before the first row is converted."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["api.app", "deployments.warm_worker.serve"])
def test_importing_the_api_or_the_worker_does_not_import_pandas(module: str) -> None:
    code = f"import sys, {module}; print('pandas' in sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed command
    assert run.stdout.strip() == "False"
