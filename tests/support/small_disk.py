"""Mount a file system that is quickly full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.system_programs import require_program


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[None]:
    """Mount a tmpfs of this size on `folder`. Skip the test if this process must not mount."""
    options = ("-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder))
    mount = subprocess.run([require_program("mount"), *options], capture_output=True, text=True)  # noqa: S603
    if mount.returncode:
        pytest.skip(mount.stderr)
    try:
        yield
    finally:
        subprocess.run([require_program("umount"), "--lazy", str(folder)], check=True)  # noqa: S603
