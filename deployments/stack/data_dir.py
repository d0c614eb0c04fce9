"""Lock the data directory against other stacks, and clean up after a stack that was killed."""

import fcntl
import os
from pathlib import Path
from typing import IO

from deployments.stack import orphan_processes

STACK_FILE = "stack.json"
# Access to these files is restricted, because earlier versions made them readable by every user.
PRIVATE_FILES = ("lock", "ports.json")


class DataDirUnusable(Exception):
    """The data directory is in use or is not writable."""


def claim(directory: Path) -> IO[str]:
    """Lock the data directory against other stacks. Closing the returned file releases the lock."""
    lock = _open_lock(directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise DataDirUnusable(
            f"{directory} is in use by another `report-exports up` (process {holder})."
            " Stop it first, or choose another directory with --data-dir."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def clean_up(directory: Path) -> None:
    """Kill the processes that a killed supervisor has left behind, and rotate the log files.

    The caller must hold the lock.
    """
    orphan_processes.end_all(mark(directory, ""))
    for name in PRIVATE_FILES:
        if (directory / name).exists():
            (directory / name).chmod(0o600)
    (directory / STACK_FILE).unlink(missing_ok=True)
    (directory / "logs").mkdir(mode=0o700, exist_ok=True)
    for log in (directory / "logs").glob("*.log"):
        log.replace(log.with_name(f"{log.name}.1"))


def mark(directory: Path, run: str) -> str:
    """Return the value of the environment variable that identifies the processes of a stack."""
    return f"{directory}:{run}"


def _open_lock(directory: Path) -> IO[str]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (directory / "lock").open("a+")
    except OSError as error:
        raise DataDirUnusable(
            f"{directory} cannot be used as the data directory: {error.strerror}."
        ) from error
