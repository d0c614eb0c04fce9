"""Implement `report-exports init`, which creates a project for the user's own reports."""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from deployments.command_line.exit_codes import DONE, OperationFailed, RequestRejected

TEMPLATE = Path(__file__).parent / "template"
# Maps each file of a project to the name of its template.
FILES = {
    "reports/__init__.py": "reports_init.py.txt",
    "tests/test_reports.py": "test_reports.py.txt",
    ".env": "env.txt",
    ".gitignore": "gitignore.txt",
    "prefect.yaml": "prefect.yaml",
    "compose.yaml": "compose.yaml",
    "README.md": "README.md",
}
PRIVATE = ".env"
KEYS = "keys"
NEXT = """\
Next, in {folder}:
  set REPORTS_DATABASE_URL in .env
  report-exports new TABLE
  report-exports check
  report-exports up
"""


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    if existing := [name for name in FILES if (folder / name).exists()]:
        raise RequestRejected(
            f"{folder / existing[0]} exists, and `init` overwrites nothing. Choose another folder."
        )
    try:
        for name, template in FILES.items():
            _write(folder / name, (TEMPLATE / template).read_text(encoding="utf-8"))
        (folder / KEYS).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OperationFailed(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
    sys.stdout.writelines(f"{folder / name}\n" for name in FILES)
    sys.stderr.write(NEXT.format(folder=folder.resolve()))
    return DONE


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == PRIVATE:
        path.touch(mode=0o600)
        text = text.replace("{version}", version("report-exports")).replace("{uid}", str(os.getuid()))
    path.write_text(text, encoding="utf-8")
