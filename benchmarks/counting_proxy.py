"""Proxy for the Prefect server that counts HTTP requests and WebSocket messages.

It counts requests by route and messages by stream, and forwards every byte unchanged.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536
REQUEST_LINE = re.compile(rb"(?:^|(?<=\n)|(?<=[}\]]))(GET|POST|PATCH|PUT|DELETE) (/\S*) HTTP/1\.1\r\n")
MAX_LINE_BYTES = 1_000
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NAME = re.compile(r"(?<=/work_pools/)[^/]+|(?<=/name/).+")


class Counts(Counter[str]):
    """The number of calls to each route, such as `POST /api/artifacts/`.

    Keys that start with `→`, such as `→ /api/events/in`, count the messages sent on a WebSocket.
    """

    @property
    def calls(self) -> int:
        return sum(number for name, number in self.items() if not name.startswith("→"))


@asynccontextmanager
async def counting_proxy(api_url: str, counts: Counts) -> AsyncIterator[str]:
    """Start a proxy for `api_url` and yield the proxy's URL."""
    upstream = urlsplit(api_url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            upstream_reader, upstream_writer = await asyncio.open_connection(upstream.hostname, upstream.port)
            requests = _forward(reader, upstream_writer, _RequestCounter(counts).feed)
            await asyncio.gather(requests, _forward(upstream_reader, writer, lambda _: None))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{upstream.path}"


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, observe: Callable[[bytes], None]
) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            observe(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class _RequestCounter:
    """Counts the HTTP requests and WebSocket messages that a client sends on one connection."""

    def __init__(self, counts: Counts) -> None:
        self._counts, self._buffer, self._stream = counts, b"", ""

    def feed(self, data: bytes) -> None:
        self._buffer += data
        if not self._stream:
            self._count_calls()
        if self._stream:
            self._count_messages()

    def _count_calls(self) -> None:
        end = 0
        for match in REQUEST_LINE.finditer(self._buffer):
            path = match[2].decode().partition("?")[0]
            end = match.end()
            if path.endswith(("/events/in", "/events/out", "/logs/out")):
                _, head_end, self._buffer = self._buffer[end:].partition(b"\r\n\r\n")
                self._stream = path if head_end else ""
                return
            self._counts[f"{match[1].decode()} {NAME.sub('{name}', ID.sub('{id}', path))}"] += 1
        self._buffer = self._buffer[max(end, len(self._buffer) - MAX_LINE_BYTES) :]

    def _count_messages(self) -> None:
        """Count the complete WebSocket frames in the buffer.

        A client frame has a 2-byte header, an optional extended length, a 4-byte mask and the payload.
        """
        while len(self._buffer) >= 14 or (len(self._buffer) >= 6 and self._buffer[1] & 127 < 126):
            short = self._buffer[1] & 127
            extra = {126: 2, 127: 8}.get(short, 0)
            length = int.from_bytes(self._buffer[2 : 2 + extra], "big") if extra else short
            size = 2 + extra + 4 + length
            if len(self._buffer) < size:
                return
            if self._buffer[0] & 15 in (1, 2):
                self._counts[f"→ {self._stream}"] += 1
            self._buffer = self._buffer[size:]
