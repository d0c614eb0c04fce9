"""Limit the size of request heads and trailers, and the time that heads and bodies may take to arrive.

uvicorn has neither limit. A client without a key could otherwise send a head of any size, or keep connections
open with requests that it never finishes. Run the API with `--http api.web.http_protocol:LimitedHttp`.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 5.0
BODY_SECONDS = 30.0


class LimitedHttp(HttpToolsProtocol):
    """A connection that is closed if a request arrives too slowly or has too large a head.

    The same size limit applies to the trailers after a chunked body and to the extensions of its chunks.
    """

    head_seconds, body_seconds = HEAD_SECONDS, BODY_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head, self._is_complete = True, False
        self._received_bytes = 0  # since the head began
        self._head_bytes = 0  # total size of the URL and of all headers received so far
        self._bytes_without_body = 0  # received since the head ended or the latest part of the body arrived

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_within(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes_without_body += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._received_bytes += len(data)
            if self._received_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        elif not self._is_complete and self._bytes_without_body > MAX_HEAD_BYTES:
            # The parser keeps an unfinished trailer in memory and reports it only when it is complete.
            self._refuse_body(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        # Most requests arrive in one piece and need no timer.
        if self._deadline is None and (not self._is_complete or self._is_idle()):
            self._expect_within(
                self.head_seconds if self._in_head or self._is_complete else self.body_seconds
            )

    def _is_idle(self) -> bool:
        """Return whether only empty lines have arrived since the last response.

        Empty lines stop uvicorn's keep-alive timer, so the connection then needs a timer of its own.
        """
        return (
            self.timeout_keep_alive_task is None and self.cycle is not None and self.cycle.response_complete
        )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._is_complete, self._received_bytes, self._head_bytes = True, False, 0, 0
        self._stop_waiting()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._bytes_without_body = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")  # the parser stops and send_400_response() is called

    def _expect_within(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._time_out)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self) -> None:
        if not self._in_head:
            self._refuse_body(HTTPStatus.REQUEST_TIMEOUT)
        elif self._received_bytes > 0 and (self.cycle is None or self.cycle.response_complete):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse_body(self, status: HTTPStatus) -> None:
        """Send the status, unless the response has already started, and then close the connection."""
        if self.cycle is None or self.cycle.response_started or self.cycle.response_complete:
            self.transport.close()
        else:
            self._refuse(status)

    def _refuse(self, status: HTTPStatus) -> None:
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode("ascii"))
        self.transport.close()
