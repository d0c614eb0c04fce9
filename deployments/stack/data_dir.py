import fcntl
import os
from pathlib import Path
from typing import IO

from deployments.stack import orphan_processes

STACK_FILE = "stack.json"


class DataDirUnusable(Exception):
    """The data directory cannot be used, or is in use."""


def claim(directory: Path) -> IO[str]:
    """One stack per data directory; the claim lasts until the answered file is closed."""
    lock = _open_lock(directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise DataDirUnusable(
            f"{directory} is in use by another `report-exports up` (process {holder})."
            " Stop that one first, or choose another place with --data-dir."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def clear(directory: Path) -> None:
    """What a killed supervisor could not tidy up; to be called by who holds the claim."""
    orphan_processes.end_all(mark(directory, ""))
    for name in ("lock", "ports.json"):  # earlier versions left them readable for all accounts
        if (directory / name).exists():
            (directory / name).chmod(0o600)
    (directory / STACK_FILE).unlink(missing_ok=True)
    (directory / "logs").mkdir(mode=0o700, exist_ok=True)
    for log in (directory / "logs").glob("*.log"):
        log.replace(log.with_name(f"{log.name}.1"))


def mark(directory: Path, run: str) -> str:
    return f"{directory}:{run}"


def _open_lock(directory: Path) -> IO[str]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (directory / "lock").open("a+")
    except OSError as failure:
        raise DataDirUnusable(
            f"{directory} cannot be used as the data directory: {failure.strerror}."
        ) from failure
