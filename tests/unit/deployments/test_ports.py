"""Test that stacks which start at the same time choose different ports."""

import subprocess
import sys
from pathlib import Path

from deployments.stack.ports import Ports, is_free, reserve

RESERVE = "import sys; from deployments.stack.ports import reserve; print(reserve(int(sys.argv[1])))"


def reserve_elsewhere(port: int) -> str:
    command = [sys.executable, "-c", RESERVE, str(port)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - a fixed command


def test_a_chosen_port_is_reserved_before_its_server_opens_it(tmp_path: Path) -> None:
    """Regression test: two stacks chose the same port, and the second one ended."""
    port = Ports(tmp_path / "ports.json").any_free("prefect")
    assert is_free(port)
    assert reserve_elsewhere(port) == "False"
    assert reserve(port), "the next start in the same process may reuse it"
    assert reserve_elsewhere(1) == "True"
