"""Find system programs that may not be installed."""

import os
import shutil

import pytest


def require_program(name: str) -> str:
    """Return the path of a program. If it is not installed, skip the test, or fail it in CI."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return path
