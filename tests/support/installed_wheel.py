"""Build the wheel, and install it into a new virtual environment."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
PROGRAMS = ("weed",)  # `up` starts these programs, which our dependencies install


def build(folder: Path, checkout: Path = ROOT) -> Path:
    """Build the wheel of a checkout with this environment's locked build tools, and return its path."""
    command = [
        sys.executable,
        *PIP,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(checkout),
    ]
    finished = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - a fixed command
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return next(folder.glob("report_exports-*.whl"))


def create_environment(folder: Path) -> Path:
    """Create a virtual environment without report-exports, and return its `bin` folder.

    The new environment shares the dependencies of the current one, because reinstalling a gigabyte would take
    minutes. Python does not read .pth files in the shared folder, so our editable installation is not found.
    """
    venv.create(folder, symlinks=True)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    for name in PROGRAMS:
        (folder / "bin" / name).symlink_to(Path(sys.executable).with_name(name))
    return folder / "bin"


def install(folder: Path, checkout: Path = ROOT) -> Path:
    """Install the wheel of a checkout into a new virtual environment, and return its `bin` folder."""
    programs, wheel = create_environment(folder / "environment"), build(folder, checkout)
    command = [str(programs / "python"), *PIP, "install", "--no-deps", "--ignore-installed", str(wheel)]
    subprocess.run(command, check=True)  # noqa: S603 - a fixed command
    return programs
