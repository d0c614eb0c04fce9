"""Check which libraries the long-running processes import."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["api.app", "deployments.warm_worker.serve"])
def test_only_processes_that_run_exports_import_pandas(module: str) -> None:
    code = f"import sys, {module}; print('pandas' in sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed command
    assert run.stdout.strip() == "False"
