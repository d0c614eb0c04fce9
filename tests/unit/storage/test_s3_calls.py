"""Test that calls to an unresponsive S3 server fail but slow calls continue, and that retries are bounded."""

import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flows.errors import ExportError, StorageTimeout, StorageUnavailable
from flows.storage import s3_calls
from flows.storage.protocol import upload
from flows.storage.s3 import PART_BYTES, S3Storage
from flows.storage.s3_calls import TRIES_PER_CALL

SILENCE_SECONDS = 1.0
SMALL, MANY_PARTS = 1000, 2 * PART_BYTES + 1000
CREATED = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
LISTED = b"<ListMultipartUploadsResult><Upload><Key>a/1.csv</Key><UploadId>1</UploadId></Upload>"
TAKEN = b"<Error><Code>PreconditionFailed</Code><Message>The key exists.</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>"


class Cancelled(BaseException):
    pass


class Server(socketserver.ThreadingTCPServer):
    """Fake S3 server. Calls in `silent` receive no response. If `slow_down` is true, all calls fail."""

    daemon_threads = True
    request_queue_size = 64
    silent: tuple[str, ...] = ()
    slow_down = False
    taken = False
    lost: tuple[str, ...] = ()
    reads_seconds_per_mib = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.calls: list[str] = []


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, target, _ = line.decode().split()
            headers = self.read_headers()
            parameters = parse_qs(urlsplit(target).query, keep_blank_values=True)
            kinds = [name for name in ("uploads", "partNumber", "uploadId") if name in parameters]
            call = " ".join([method, *kinds[:1]])
            self.server.calls.append(call)
            if headers.get("expect"):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if call in self.server.silent:
                time.sleep(60)
                return
            self.read_body(int(headers.get("content-length", 0)))
            if call in self.server.lost:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.respond(call)

    def read_headers(self) -> dict[str, str]:
        headers = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return headers

    def read_body(self, length: int) -> None:
        while length:
            length -= len(self.rfile.read(min(length, 1 << 18)))
            time.sleep(self.server.reads_seconds_per_mib / 4)

    def respond(self, call: str) -> None:
        status, body = "200 OK", b""
        if self.server.slow_down:
            status, body = "503 Slow Down", SLOW_DOWN
        elif self.server.taken and call in ("PUT", "POST uploadId"):
            status, body = "412 Precondition Failed", TAKEN
        elif call == "POST uploads":
            body = CREATED
        elif call == "GET uploads":
            body = LISTED + b"</ListMultipartUploadsResult>"
        elif call == "POST uploadId":
            body = b'<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'
        head = f'HTTP/1.1 {status}\r\nETag: "1"\r\nContent-Length: {len(body)}\r\n\r\n'
        self.wfile.write(head.encode() + body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        settings = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}
        for name, value in {**settings, "ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server
        server.shutdown()


def store(size: int, silence_seconds: float = SILENCE_SECONDS) -> None:
    with upload(S3Storage("bucket", "", silence_seconds), "a/1.csv") as started:
        for _ in range(size // PART_BYTES):
            started.write(bytes(PART_BYTES))
        started.write(bytes(size % PART_BYTES))
        started.commit()


@pytest.mark.parametrize(
    ("size", "silent"),
    [
        (SMALL, "PUT"),
        (MANY_PARTS, "POST uploads"),
        (MANY_PARTS, "PUT partNumber"),
        (MANY_PARTS, "POST uploadId"),
    ],
)
def test_a_silent_server_ends_the_call(server: Server, size: int, silent: str) -> None:
    server.silent = (silent,)
    started = time.monotonic()
    with pytest.raises(StorageTimeout):
        store(size)
    assert time.monotonic() - started < 15 * SILENCE_SECONDS


def test_a_slow_server_does_not_end_the_call(server: Server) -> None:
    server.reads_seconds_per_mib = SILENCE_SECONDS / 2
    started = time.monotonic()
    store(PART_BYTES, 2 * SILENCE_SECONDS)
    assert time.monotonic() - started > 2 * SILENCE_SECONDS


@pytest.mark.parametrize("size", [SMALL, MANY_PARTS])
def test_retries_of_an_attempt_are_bounded(server: Server, size: int) -> None:
    server.slow_down = True
    with pytest.raises(StorageUnavailable):
        store(size, 60)
    assert len(server.calls) <= 2 * TRIES_PER_CALL, server.calls


@pytest.mark.parametrize(
    ("size", "lost", "cleaned_up"),
    [
        (MANY_PARTS, "POST uploads", "DELETE uploadId"),
        (MANY_PARTS, "PUT partNumber", "DELETE uploadId"),
        (MANY_PARTS, "POST uploadId", "DELETE"),
        (SMALL, "PUT", "DELETE"),
    ],
)
def test_the_effect_of_a_call_without_a_response_is_removed(
    server: Server, size: int, lost: str, cleaned_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_calls, "TRIES_PER_CALL", 1)
    server.lost = (lost,)
    with pytest.raises(ExportError):
        store(size, 60)
    assert cleaned_up in server.calls


@pytest.mark.parametrize("size", [SMALL, MANY_PARTS])
def test_an_object_of_another_writer_is_not_removed(server: Server, size: int) -> None:
    server.taken = True
    with pytest.raises(StorageUnavailable):
        store(size, 60)
    assert "DELETE" not in server.calls


def test_a_cancellation_during_a_call_removes_its_effect(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal interrupts the wait for the response, but the server still completes the request."""
    release = threading.Event()
    respond = Handler.respond

    def cancel(*_: object) -> None:
        raise Cancelled

    def hold(handler: Any, call: str) -> None:
        if call == "POST uploads":
            os.kill(os.getpid(), signal.SIGUSR1)
            assert release.wait(60)
        respond(handler, call)

    monkeypatch.setattr(Handler, "respond", hold)
    previous = signal.signal(signal.SIGUSR1, cancel)
    threading.Timer(1, release.set).start()
    try:
        with pytest.raises(Cancelled):
            store(MANY_PARTS, 60)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert server.calls[-1] == "DELETE uploadId"
