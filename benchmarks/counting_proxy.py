"""Stands before the Prefect server and counts what passes: calls by route, messages on its event streams.

It hands every byte on as it comes and only looks at it, so that nothing behaves differently behind it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536
REQUEST_LINE = re.compile(rb"(?:^|(?<=\n)|(?<=[}\]]))(GET|POST|PATCH|PUT|DELETE) (/\S*) HTTP/1\.1\r\n")
LONGEST_LINE_BYTES = 1_000
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NAMED = re.compile(r"(?<=/work_pools/)[^/]+|(?<=/name/).+")


class Counts(Counter[str]):
    """`POST /api/artifacts/` → how often; `→ events/in` counts a stream's messages."""

    @property
    def calls(self) -> int:
        return sum(number for name, number in self.items() if not name.startswith("→"))


@asynccontextmanager
async def counting_proxy(api_url: str, counts: Counts) -> AsyncIterator[str]:
    """The address to be used instead of `api_url`."""
    behind = urlsplit(api_url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            there_reader, there_writer = await asyncio.open_connection(behind.hostname, behind.port)
            there = _hand_on(reader, there_writer, _Seen(counts).take)
            await asyncio.gather(there, _hand_on(there_reader, writer, lambda _: None))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{behind.path}"


async def _hand_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]
) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            look(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class _Seen:
    """What one client has sent on one connection."""

    def __init__(self, counts: Counts) -> None:
        self._counts, self._rest, self._stream = counts, b"", ""

    def take(self, data: bytes) -> None:
        self._rest += data
        if not self._stream:
            self._count_calls()
        if self._stream:
            self._count_messages()

    def _count_calls(self) -> None:
        end = 0
        for found in REQUEST_LINE.finditer(self._rest):
            path = found[2].decode().partition("?")[0]
            end = found.end()
            if path.endswith(("/events/in", "/events/out", "/logs/out")):
                _, blank, self._rest = self._rest[end:].partition(b"\r\n\r\n")
                self._stream = path if blank else ""
                return
            self._counts[f"{found[1].decode()} {NAMED.sub('{name}', ID.sub('{id}', path))}"] += 1
        self._rest = self._rest[max(end, len(self._rest) - LONGEST_LINE_BYTES) :]

    def _count_messages(self) -> None:
        """RFC 6455: a client's frame is two bytes, a length, a mask of four bytes, the data."""
        while len(self._rest) >= 14 or (len(self._rest) >= 6 and self._rest[1] & 127 < 126):
            short = self._rest[1] & 127
            extra = {126: 2, 127: 8}.get(short, 0)
            length = int.from_bytes(self._rest[2 : 2 + extra], "big") if extra else short
            size = 2 + extra + 4 + length
            if len(self._rest) < size:
                return
            if self._rest[0] & 15 in (1, 2):
                self._counts[f"→ {self._stream}"] += 1
            self._rest = self._rest[size:]
