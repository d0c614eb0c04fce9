"""Build the wheel, and install it into a new virtual environment."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def build(folder: Path) -> Path:
    """Build the wheel with the locked build tools of this environment, and return its path."""
    _run(sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    return next(folder.glob("report_exports-*.whl"))


def create_environment(folder: Path) -> Path:
    """Create a virtual environment with the locked dependencies only, and return its folder of programs."""
    _run(sys.executable, "-m", "venv", str(folder))
    locked = ("--no-deps", "--require-hashes", "-r", str(ROOT / "requirements.txt"))
    _run(str(folder / "bin" / "python"), *PIP, "install", "--no-compile", *locked)
    return folder / "bin"


def _run(*command: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - fixed commands
    assert finished.returncode == 0, finished.stdout + finished.stderr
