"""Forward calls to an S3 server, and make selected calls fail before or after they take effect."""

import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Literal
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
CHUNK = 65_536
Operation = Literal["Create", "Part", "Complete", "Abort", "Put", "Delete", "Get", "List", "Other"]
Fault = Literal[
    "reset before",
    "SlowDown",
    "InternalError",
    "AccessDenied",
    "error with status 200",
    "silent before",
    "reset in the middle",
    "reset after",
    "error with status 200 after",
    "silent after",
]
_STATUSES = {
    "SlowDown": HTTPStatus.SERVICE_UNAVAILABLE,
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "AccessDenied": HTTPStatus.FORBIDDEN,
    "error with status 200": HTTPStatus.OK,
    "error with status 200 after": HTTPStatus.OK,
}


class _Cut(Exception):
    """Raised to end an exchange by resetting the connection."""


@dataclass(frozen=True)
class Rule:
    """A fault that is injected into the first `times` calls to one operation.

    `part` limits the rule to one part of an upload.
    """

    operation: Operation
    fault: Fault
    times: int = 1
    part: int | None = None


@dataclass(frozen=True)
class Message:
    """The head of a request or response, and the length of its body."""

    head: bytes
    length: int

    @property
    def start(self) -> str:
        return self.head.partition(b"\r\n")[0].decode()


class S3Proxy:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or HOST, int(parts.port or 80))
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self._rules: tuple[Rule, ...] = ()
        self._counting = threading.Lock()
        self._calls = Counter[Rule]()
        self.hits = Counter[Rule]()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def failing(self, *rules: Rule) -> Iterator[None]:
        """Inject faults during the block. `hits` counts the faults of each rule."""
        self._rules = rules
        try:
            yield
        finally:
            self._rules = ()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(self._target) as server:
                reader, responses = client.makefile("rb"), server.makefile("rb")
                while (request := _read_head(reader)) is not None:
                    self._exchange(request, reader, client, responses, server)
        except _Cut:
            _reset(client)
        except (OSError, ValueError):
            pass

    def _exchange(
        self,
        request: Message,
        reader: BinaryIO,
        client: socket.socket,
        responses: BinaryIO,
        server: socket.socket,
    ) -> None:
        fault = self._fault_of(request)
        if fault == "reset before":
            raise _Cut
        head = re.sub(rb"(?im)^expect:.*\r\n", b"", request.head)
        if head != request.head:  # otherwise, the client would wait before it sends the body
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault in ("SlowDown", "InternalError", "AccessDenied", "error with status 200", "silent before"):
            _skip(reader, request.length)
            _fail(client, fault)
            return
        server.sendall(head)
        if fault == "reset in the middle":
            _copy(reader, server, request.length // 2)
            time.sleep(0.05)
            _reset(server)
            raise _Cut
        _copy(reader, server, request.length)
        response = _read_head(responses)
        if response is None:
            raise _Cut
        length = 0 if request.start.startswith("HEAD") or " 204 " in response.start else response.length
        if fault is None:
            client.sendall(response.head)
            _copy(responses, client, length)
            return
        _skip(responses, length)
        if fault == "reset after":
            raise _Cut
        _fail(client, fault)

    def _fault_of(self, request: Message) -> Fault | None:
        operation, part = _operation(request.start)
        for rule in self._rules:
            if rule.operation == operation and rule.part in (None, part):
                with self._counting:
                    self._calls[rule] += 1
                    if self._calls[rule] > rule.times:
                        return None
                    self.hits[rule] += 1
                    return rule.fault
        return None


def _operation(start: str) -> tuple[Operation, int]:
    method, target, _ = start.split(" ")
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    is_object = urlsplit(target).path.strip("/").count("/") > 0
    if "uploads" in query and method == "POST":
        return "Create", 0
    if "partNumber" in query:
        return "Part", int(query["partNumber"][0])
    if "uploadId" in query:
        return ("Complete" if method == "POST" else "Abort"), 0
    if "uploads" in query:
        return "List", 0
    names: dict[str, Operation] = {"PUT": "Put", "DELETE": "Delete", "GET": "Get"}
    return (names.get(method, "Other") if is_object else "Other"), 0


def _read_head(reader: BinaryIO) -> Message | None:
    lines = [reader.readline()]
    while lines[-1] not in (b"\r\n", b""):
        lines.append(reader.readline())
    if lines[-1] == b"":
        return None
    head = b"".join(lines)
    if re.search(rb"(?im)^transfer-encoding:.*chunked", head):
        raise ValueError("chunked messages are not supported")
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return Message(head, int(length[1]) if length else 0)


def _copy(reader: BinaryIO, sink: socket.socket, length: int) -> None:
    while length and (data := reader.read(min(CHUNK, length))):
        sink.sendall(data)
        length -= len(data)


def _skip(reader: BinaryIO, length: int) -> None:
    while length and (data := reader.read(min(CHUNK, length))):
        length -= len(data)


def _fail(client: socket.socket, fault: Fault) -> None:
    """Send an error response, or keep the connection open without responding until the client closes it."""
    if fault.startswith("silent"):
        while client.recv(CHUNK):
            pass
        raise _Cut
    code = "InternalError" if fault.startswith("error") else fault
    body = f"<Error><Code>{code}</Code><Message>Injected.</Message></Error>".encode()
    status = _STATUSES[fault]
    headers = f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(f"HTTP/1.1 {status.value} {status.phrase}\r\n{headers}".encode() + body)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    connection.close()
