"""Programs that are not ours and that not every machine has."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Its path; without it the test is skipped, but never where CI runs, which has installed it."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return found
