"""Where a downloaded file goes: under its name when it is whole and verified, not before; or to stdout."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from deployments.command_line.exit_codes import Failed, Refused

STDOUT = "-"


class Target(Protocol):
    @property
    def shown(self) -> str: ...
    def write(self, data: bytes) -> None: ...
    def commit(self) -> None: ...


class Stdout:
    shown = "stdout"

    def write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)

    def commit(self) -> None:
        sys.stdout.buffer.flush()


class NewFile:
    """Written beside its place under a name of its own, then put there at once."""

    def __init__(self, path: Path, force: bool) -> None:
        self.path, self._force = path, force
        self._unfinished = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        self._file = self._unfinished.open("xb")

    @property
    def shown(self) -> str:
        return str(self.path)

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._force:
            self._unfinished.replace(self.path)
        else:
            _put_if_free(self._unfinished, self.path)
        _sync_folder(self.path.parent)

    def abort(self) -> None:
        """Harmless after a commit."""
        with suppress(OSError):  # flushing to a full disk fails once more
            self._file.close()
        self._unfinished.unlink(missing_ok=True)


@contextmanager
def opened(output: str | None, force: bool, service_name: str) -> Iterator[Target]:
    """Whatever ends the block before `commit` leaves nothing behind."""
    if output == STDOUT:
        yield Stdout()
        return
    path = place(output, service_name)
    check_free(path, force)
    try:
        file = NewFile(path, force)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}.") from None
    try:
        yield file
    finally:
        file.abort()


def place(output: str | None, service_name: str) -> Path:
    """A folder takes the file under the service's name."""
    path = Path(output) if output is not None else Path()
    return path / bare_name(service_name) if path.is_dir() else path


def bare_name(service_name: str) -> str:
    """Never a path, a hidden file or an option-like name, whatever the service calls it."""
    last = PureWindowsPath(PurePosixPath(service_name).name).name
    kept = "".join(mark if mark.isprintable() else "_" for mark in last).lstrip(".-")
    return kept or "export.csv"


def check(output: str | None, force: bool) -> None:
    """What can be known before the export starts."""
    if output is None or output == STDOUT or Path(output).is_dir():
        return
    path = Path(output)
    if not path.parent.is_dir():
        raise Refused(f"--output: there is no folder {path.parent}.")
    check_free(path, force)


def check_free(path: Path, force: bool) -> None:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise Refused(f"{path} is no file.")
    if not force and (path.exists() or path.is_symlink()):
        raise Refused(f"{path} exists; --force overwrites it.")


def _put_if_free(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)  # unlike a rename, refused when somebody has made the file meanwhile
    except FileExistsError:
        raise Refused(f"{path} exists; --force overwrites it.") from None
    except OSError:  # a file system without links
        check_free(path, force=False)
        unfinished.replace(path)
    else:
        unfinished.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system lets a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
