"""Write a zip archive as a stream. The sizes of its files need not be known in advance.

Each file is followed by a data descriptor with the sizes and the checksum. ZIP64 is used if a size or the
number of files requires it.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import struct
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib

# ISA-L at level 1 compresses survey rows by a factor of 3.4 at 570 MB/s. zlib at level 6 compresses them by a
# factor of 4.3 at 40 MB/s.
LEVEL = 1
# If all bits of a 32-bit or 16-bit field are set, the value is in the corresponding 64-bit field.
LIMIT_32 = _ONES_32 = 0xFFFFFFFF
LIMIT_16 = _ONES_16 = 0xFFFF

_RAW_DEFLATE = -15
_DEFLATED = 8
_UTF_8_NAME_AND_DESCRIPTOR = 1 << 11 | 1 << 3
_VERSION, _VERSION_ZIP64 = 20, 45
_MADE_ON_UNIX = 3 << 8
_PLAIN_FILE = 0o100644 << 16
# Every file gets the earliest timestamp that a zip can store, midnight on 1980-01-01. A fixed timestamp
# ensures that the same rows produce the same bytes.
_TIME, _DATE = 0, 1 << 5 | 1


@dataclass
class _Member:
    name: bytes
    offset: int
    checksum: int = 0
    size: int = 0
    packed: int = 0

    @property
    def descriptor(self) -> bytes:
        large = max(self.size, self.packed) >= LIMIT_32
        return struct.pack(
            "<4sLQQ" if large else "<4sLLL", b"PK\7\x08", self.checksum, self.packed, self.size
        )


class ZipFile:
    """Writes a zip archive.

    Call `begin` and then `write` for each file, and call `end` after the last file. Each method returns the
    next bytes of the archive.
    """

    def __init__(self) -> None:
        self._written = 0
        self._members: list[_Member] = []
        self._compressor: Any = None

    def begin(self, name: str) -> bytes:
        before = self._close_member()
        member = _Member(name.encode(), self._written)
        self._members.append(member)
        self._compressor = isal_zlib.compressobj(LEVEL, wbits=_RAW_DEFLATE)
        return before + self._counted(_local_header(member))

    def write(self, data: bytes) -> bytes:
        member = self._members[-1]
        member.checksum = isal_zlib.crc32(data, member.checksum)
        member.size += len(data)
        return self._deflated(self._compressor.compress(data))

    def end(self) -> bytes:
        last = self._close_member()
        directory = b"".join(_directory_entry(member) for member in self._members)
        return last + directory + _end(len(self._members), len(directory), self._written)

    def _close_member(self) -> bytes:
        if not self._members:
            return b""
        return self._deflated(self._compressor.flush()) + self._counted(self._members[-1].descriptor)

    def _deflated(self, packed: bytes) -> bytes:
        self._members[-1].packed += len(packed)
        return self._counted(packed)

    def _counted(self, data: bytes) -> bytes:
        self._written += len(data)
        return data


def _local_header(member: _Member) -> bytes:
    fields = (_VERSION, _UTF_8_NAME_AND_DESCRIPTOR, _DEFLATED, _TIME, _DATE, 0, 0, 0, len(member.name), 0)
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + member.name


def _directory_entry(member: _Member) -> bytes:
    sizes = (member.size, member.packed, member.offset)
    extra = b"".join(struct.pack("<Q", size) for size in sizes if size >= LIMIT_32)
    if extra:
        extra = struct.pack("<2H", 1, len(extra)) + extra
    size, packed, offset = map(_in_32_bits, sizes)
    version = _VERSION_ZIP64 if extra else _VERSION
    encoding = (_MADE_ON_UNIX | version, version, _UTF_8_NAME_AND_DESCRIPTOR, _DEFLATED, _TIME, _DATE)
    content = (member.checksum, packed, size, len(member.name), len(extra), 0, 0, 0, _PLAIN_FILE, offset)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *encoding, *content) + member.name + extra


def _end(count: int, size: int, start: int) -> bytes:
    """Return the end record of the central directory, and the ZIP64 records if they are needed."""
    end = struct.pack(
        "<4s4H2LH",
        *(b"PK\5\6", 0, 0, _in_16_bits(count), _in_16_bits(count)),
        *(_in_32_bits(size), _in_32_bits(start), 0),
    )
    if count < LIMIT_16 and size < LIMIT_32 and start < LIMIT_32:
        return end
    versions = (_MADE_ON_UNIX | _VERSION_ZIP64, _VERSION_ZIP64)
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, *versions, 0, 0, count, count, size, start)
    return large + struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1) + end


def _in_32_bits(number: int) -> int:
    return number if number < LIMIT_32 else _ONES_32


def _in_16_bits(number: int) -> int:
    return number if number < LIMIT_16 else _ONES_16
