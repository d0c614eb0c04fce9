"""From the CSV's blocks to the bytes that are stored: header and byte order mark, gzip, zip, several files.

Packing and hashing go on in a thread of their own while the database sends the next block.
"""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol

from isal import isal_zlib

from flows.formats.csv_options import Dialect
from flows.formats.csv_text import BYTE_ORDER_MARK
from flows.formats.zip_stream import LEVEL, ZipFile

_GZIP_FRAME = 31
BLOCKS_IN_FLIGHT = 2


class Container(Protocol):
    """What the files are put into, one after the other; each call gives the bytes that follow."""

    def begin(self, name: str) -> bytes: ...
    def write(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Bare:
    """One file as it is."""

    def begin(self, name: str) -> bytes:
        return b""

    def write(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class Gzip:
    """One file, without its name or time: the same rows give the same bytes."""

    def __init__(self) -> None:
        self._compressor = isal_zlib.compressobj(LEVEL, wbits=_GZIP_FRAME)

    def begin(self, name: str) -> bytes:
        return b""

    def write(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def end(self) -> bytes:
        return self._compressor.flush()


class Packing:
    """`expected` is how many rows will come; no block may reach over a multiple of `split_rows`.

    `bytes` and `sha256` are of what is stored, and final once `finish` has returned.
    """

    def __init__(self, dialect: Dialect, header: bytes, stem: str, expected: int) -> None:
        self._top = (BYTE_ORDER_MARK if dialect.byte_order_mark else b"") + header
        self._stem, self._split_rows = stem, dialect.split_rows
        self._several = dialect.split_rows is not None and expected > dialect.split_rows
        self._container = _container(dialect, expected)
        self._files, self._rows_in_file = 0, 0
        self._digest = hashlib.sha256()
        self._packed: deque[Future[bytes]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="packing")
        self.bytes = 0

    def __enter__(self) -> "Packing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, rows: int, data: bytes) -> list[bytes]:
        """Takes a block; gives what has been packed meanwhile, of this or earlier ones."""
        self._submit(self._name_before(rows), data)
        return self._ready(BLOCKS_IN_FLIGHT)

    def finish(self) -> list[bytes]:
        """An empty table is a file too."""
        if self._files == 0:
            self._submit(self._next_name(), b"")
        self._packed.append(self._thread.submit(lambda: self._counted(self._container.end())))
        return self._ready(0)

    def _name_before(self, rows: int) -> str | None:
        """The file that begins with these rows; None when they go on with the one before."""
        is_full = self._split_rows is not None and self._rows_in_file >= self._split_rows
        name = self._next_name() if self._files == 0 or is_full else None
        self._rows_in_file += rows
        return name

    def _next_name(self) -> str:
        self._files += 1
        self._rows_in_file = 0
        return f"{self._stem}_{self._files}.csv" if self._several else f"{self._stem}.csv"

    def _submit(self, name: str | None, data: bytes) -> None:
        self._packed.append(self._thread.submit(self._pack, name, data))

    def _pack(self, name: str | None, data: bytes) -> bytes:
        if name is None:
            return self._counted(self._container.write(data))
        return self._counted(self._container.begin(name) + self._container.write(self._top + data))

    def _counted(self, stored: bytes) -> bytes:
        self._digest.update(stored)
        self.bytes += len(stored)
        return stored

    def _ready(self, left: int) -> list[bytes]:
        """Waits until no more than `left` blocks are in the works, which bounds the memory."""
        ready = []
        while self._packed and (len(self._packed) > left or self._packed[0].done()):
            ready.append(self._packed.popleft().result())
        return [data for data in ready if data]


def _container(dialect: Dialect, expected: int) -> Container:
    kind = dialect.stored_as(expected)
    return Gzip() if kind == "csv.gz" else ZipFile() if kind == "zip" else Bare()
