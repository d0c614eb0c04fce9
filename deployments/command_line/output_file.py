"""Write a download to stdout, a device, a pipe or a file.

A file appears at its final path only after it is complete and verified.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from deployments.command_line.exit_codes import OperationFailed, RequestRejected

STDOUT = "-"


class Output(Protocol):
    @property
    def label(self) -> str: ...
    def write(self, data: bytes) -> None: ...
    def commit(self) -> None: ...


class StdoutOutput:
    label = "stdout"

    def write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)

    def commit(self) -> None:
        sys.stdout.buffer.flush()


class StreamOutput:
    """A named pipe, or a device such as /dev/null.

    Data is written to it directly instead of to a temporary file.
    """

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def commit(self) -> None:
        self._file.flush()

    def abort(self) -> None:
        with suppress(OSError):  # fails if the reader has already closed the pipe
            self._file.close()


class AtomicFile:
    """A temporary file in the target folder. `commit` moves the file to its final path atomically."""

    def __init__(self, path: Path, force: bool) -> None:
        self.path, self._force = path, force
        self._temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        self._file = self._temporary.open("xb")

    @property
    def label(self) -> str:
        return str(self.path)

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._force:
            self._temporary.replace(self.path)
        else:
            _move_without_overwriting(self._temporary, self.path)
        _sync_folder(self.path.parent)

    def abort(self) -> None:
        """Remove the temporary file. Does nothing after a commit."""
        with suppress(OSError):  # close() also flushes, which fails if the disk is full
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextmanager
def open_output(output: str | None, force: bool, service_name: str) -> Iterator[Output]:
    """Open the output and yield it.

    At the end of the `with` block, a temporary file that has not been committed is removed.
    """
    if output == STDOUT:
        yield StdoutOutput()
        return
    path = resolve_path(output, service_name)
    check_path(path, force)
    try:
        file = StreamOutput(path) if _is_stream(path) else AtomicFile(path, force)
    except OSError as error:
        raise OperationFailed(f"{path}: {error.strerror}.") from None
    try:
        yield file
    finally:
        file.abort()


def resolve_path(output: str | None, service_name: str) -> Path:
    """Return the path of the file. If `output` is a folder, the file gets the name chosen by the service."""
    path = Path(output) if output is not None else Path()
    return path / safe_name(service_name) if path.is_dir() else path


def safe_name(service_name: str) -> str:
    """Turn the service's file name into a safe one, with no folders, leading dots or leading hyphens."""
    last_part = PureWindowsPath(PurePosixPath(service_name).name).name
    name = "".join(char if char.isprintable() else "_" for char in last_part).lstrip(".-")
    return name or "export.csv"


def check_output(output: str | None, force: bool) -> None:
    """Check --output before the export starts. Raises RequestRejected if the path cannot be used."""
    if output is None or output == STDOUT or Path(output).is_dir():
        return
    path = Path(output)
    if not path.parent.is_dir():
        raise RequestRejected(f"--output: the folder {path.parent} does not exist.")
    check_path(path, force)


def check_path(path: Path, force: bool) -> None:
    if _is_stream(path):
        return
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise RequestRejected(f"{path} is not a file, a device or a pipe.")
    if not force and (path.exists() or path.is_symlink()):
        raise _already_exists(path)


def _is_stream(path: Path) -> bool:
    return path.is_char_device() or path.is_fifo()


def _already_exists(path: Path) -> RequestRejected:
    return RequestRejected(f"{path} already exists. Use --force to overwrite it.")


def _move_without_overwriting(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # unlike a rename, this fails if the path already exists
    except FileExistsError:
        raise _already_exists(path) from None
    except OSError:  # the file system does not support hard links
        check_path(path, force=False)
        temporary.replace(path)
    else:
        temporary.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some systems cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
