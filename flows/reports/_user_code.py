"""Make the operator's modules in the current folder importable, and find modules that our packages hide."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWN_PACKAGES = ("flows", "api", "deployments")


def append_current_folder() -> None:
    """Make modules in the current folder importable.

    The folder is searched last, so its files cannot hide our packages or installed packages.
    """
    with suppress(FileNotFoundError):  # the folder may have been deleted
        if (folder := os.getcwd()) not in sys.path:
            sys.path.append(folder)


def hidden_packages(names: tuple[str, ...] = OWN_PACKAGES) -> Iterator[Path]:
    """Yield the paths of user modules that cannot be imported because our packages have the same names."""
    for folder in dict.fromkeys(Path(entry).resolve() for entry in sys.path):
        if (folder / "report_exports").is_dir():  # Skip installations and checkouts of report-exports.
            continue
        for name in names:
            paths = (folder / name, folder / f"{name}.py")
            yield from (path for path in paths if path.is_file() or _has_python_files(path))


def _has_python_files(path: Path) -> bool:
    return path.is_dir() and any(path.rglob("*.py"))
