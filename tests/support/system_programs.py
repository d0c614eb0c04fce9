"""Find system programs that may not be installed."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

FAKETIME_LIBRARY = "faketime/libfaketimeMT.so.1"


def require_program(name: str) -> str:
    """Return the path of a program. If it is not installed, skip the test, or fail it in CI."""
    path = shutil.which(name)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return path


def wrong_clock(seconds: float) -> Mapping[str, str]:
    """Return environment variables for a process whose clock is `seconds` fast.

    If faketime is not installed, the clock stays right, and `require_program` reports it.
    """
    libraries = [str(library) for library in Path("/usr/lib").glob(f"*/{FAKETIME_LIBRARY}")]
    settings = {"FAKETIME": f"{seconds:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": libraries[0], **settings} if libraries else {}
