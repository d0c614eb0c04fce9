"""Entry point of the `report-exports` command.

`flows`, `api` and `deployments` are common names. If a folder in PYTHONPATH contains packages with these
names, Python finds those packages first. This package has a unique name, so Python always finds it. It
corrects the search path before it imports our other packages.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)


def main() -> int:
    """Run the command and return its exit code."""
    search_our_packages_first()
    from deployments import cli

    return cli.main()


def search_our_packages_first() -> None:
    """Make this process and its children search this installation before the folders in PYTHONPATH."""
    sys.path.insert(0, ROOT)
    os.environ["PYTHONSAFEPATH"] = "1"  # `python -c` must not search the current folder first
    if path := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, path])
