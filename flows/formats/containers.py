"""Pack the bytes of an output file with gzip, zstd or zip, or leave them unchanged."""

import io
from collections.abc import Callable
from typing import Any, Protocol

from isal import isal_zlib

from flows.formats.zip_stream import LEVEL, ZipFile
from flows.rows.pipeline import Block

_GZIP_FRAME = 31
# Ratio of unpacked to packed bytes, measured on survey responses (docs/speed.md).
PACKING = 3.4


class Container(Protocol):
    """Packs blocks into a file. Each method returns the next bytes of that file."""

    def add(self, block: Block) -> bytes: ...
    def finish(self) -> bytes: ...


class Bare:
    """Leaves the bytes of a single file unchanged."""

    def add(self, block: Block) -> bytes:
        return block.data

    def finish(self) -> bytes:
        return b""


class Gzip:
    """Packs a single file with gzip.

    The header contains no name or time, so the same rows always produce the same bytes.
    """

    def __init__(self) -> None:
        self._compressor = isal_zlib.compressobj(LEVEL, wbits=_GZIP_FRAME)

    def add(self, block: Block) -> bytes:
        return self._compressor.compress(block.data)

    def finish(self) -> bytes:
        return self._compressor.flush()


class Sink(io.RawIOBase):
    """A file for Arrow to write to. It collects the bytes until `take` returns them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Zstd:
    """Packs a single file with zstd.

    The file is a single frame, because some readers, such as pandas, ignore all frames but the first.
    """

    def __init__(self) -> None:
        import pyarrow as pa  # takes 39 MB, which processes that only list the formats do not need

        self._sink = Sink()
        self._stream = pa.CompressedOutputStream(self._sink, "zstd")

    def add(self, block: Block) -> bytes:
        self._stream.write(block.data)
        return self._sink.take()

    def finish(self) -> bytes:
        self._stream.close()
        return self._sink.take()


class Zip:
    """Packs blocks into a zip that contains one file for each value of `Block.file`.

    `name_of` converts each of these values to a file name.
    """

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self._zip, self._name_of, self._file = ZipFile(), name_of, -1

    def add(self, block: Block) -> bytes:
        head = self._begin(block.file) if block.file != self._file else b""
        return head + self._zip.write(block.data)

    def _begin(self, file: int) -> bytes:
        self._file = file
        return self._zip.begin(self._name_of(file))

    def finish(self) -> bytes:
        return self._zip.end()
