"""Find the embedded servers. The `local` extra installs them."""

import sys
from importlib.util import find_spec
from pathlib import Path


class ServerNotInstalled(Exception):
    def __init__(self, server: str, settings: str) -> None:
        super().__init__(
            f"The embedded {server} is not installed. Install report-exports[local], or set {settings} to use"
            " your own servers."
        )


def package_folder(name: str) -> Path | None:
    """Return the folder of a package, or None if the package is not installed.

    The package is not imported, because the import would print a warning.
    """
    spec = find_spec(name)
    return Path(spec.origin).resolve().parent if spec is not None and spec.origin is not None else None


def program(name: str) -> Path | None:
    """Return the path of a program in this Python environment, or None if it is not installed."""
    path = Path(sys.executable).with_name(name)
    return path if path.exists() else None
