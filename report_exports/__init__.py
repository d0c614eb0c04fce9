"""Entry point of the `report-exports` command.

`flows`, `api` and `deployments` are common names. A folder in PYTHONPATH may contain other packages with
these names, and Python would find them first. This package has a unique name. It corrects the
search path before it imports any of them.
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
    """Search this installation before the folders in PYTHONPATH, in this process and in its children."""
    sys.path.insert(0, ROOT)
    os.environ["PYTHONSAFEPATH"] = "1"  # `python -c` must not search the current folder first
    if path := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, path])
