"""Test the limits on request heads and bodies over real connections to a uvicorn server."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.web.http_protocol import MAX_HEAD_BYTES, LimitedHttp

HEAD_SECONDS, BODY_SECONDS = 0.3, 0.6
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
NO_KEY = CHUNKED.replace(b"/ ", b"/refuse ")


class Impatient(LimitedHttp):
    head_seconds, body_seconds = HEAD_SECONDS, BODY_SECONDS


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def refuse(_: Request) -> Response:
    return PlainTextResponse("no key", 401)


async def wait(_: Request) -> Response:
    await asyncio.sleep(2 * BODY_SECONDS)
    return PlainTextResponse("waited")


ROUTES = [
    Route("/", echo, methods=["GET", "POST"]),
    Route("/refuse", refuse, methods=["POST"]),
    Route("/wait", wait, methods=["GET"]),
]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(Starlette(routes=ROUTES), http=Impatient, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


@contextmanager
def connection(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=10) as client:
        yield client


def answer(client: socket.socket) -> bytes:
    """Return everything that the server sends until it closes the connection."""
    received = b""
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionError:
        pass  # the server closed the connection while the client was still sending
    return received


def status(received: bytes) -> int:
    return int(received.split(b" ")[1])


def send_until_closed(client: socket.socket, data: bytes, limit: int, pause_seconds: float = 0.0) -> int:
    """Keep sending the data until the server closes the connection, and return the number of bytes sent."""
    sent = 0
    while sent < limit:
        try:
            sent += client.send(data)
        except ConnectionError:
            return sent
        time.sleep(pause_seconds)
    raise AssertionError(f"the server accepted {sent:,} bytes")


def test_a_head_of_64_mib_is_refused(address: tuple[str, int]) -> None:
    with connection(address) as client:
        client.sendall(GET + b"X-Padding: ")
        sent = send_until_closed(client, b"a" * 65536, limit=64 << 20)
    assert sent < 8 << 20  # this includes data in operating system buffers; the server reads far less


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X-Padding: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
        GET + b"".join(b"X-%d: a\r\n" % number for number in range(MAX_HEAD_BYTES // 4)) + b"\r\n",
        b"GET /?" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET + b"X-Padding: " + b"a" * (MAX_HEAD_BYTES + 1),
    ],
    ids=["one header", "many headers", "query", "unfinished header"],
)
def test_a_large_head_is_431(address: tuple[str, int], head: bytes) -> None:
    with connection(address) as client:
        client.sendall(head)
        assert status(answer(client)) == 431


@pytest.mark.parametrize(
    "start",
    [CHUNKED + b"0\r\nX: ", CHUNKED + b"0\r\n", CHUNKED + b"3;", NO_KEY + b"0\r\nX: "],
    ids=["trailer", "name of a trailer", "extension of a chunk", "trailer without a key"],
)
def test_a_trailer_or_chunk_extension_of_64_mib_is_refused(address: tuple[str, int], start: bytes) -> None:
    with connection(address) as client:
        client.sendall(start)
        sent = send_until_closed(client, b"a" * 65536, limit=64 << 20)
    assert sent < 8 << 20


def test_a_large_trailer_is_431(address: tuple[str, int]) -> None:
    with connection(address) as client:
        client.sendall(CHUNKED + b"0\r\nX: ")
        time.sleep(0.1)
        client.sendall(b"a" * (MAX_HEAD_BYTES + 1))
        assert status(answer(client)) == 431


def test_a_large_chunked_body_with_a_trailer_is_accepted(address: tuple[str, int]) -> None:
    part = b"a" * 100_000
    with connection(address) as client:
        client.sendall(CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        for _ in range(4):
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        client.sendall(b"0\r\nX: a\r\n\r\n")
        assert answer(client).endswith(b"abc" + 4 * part)


def test_a_head_below_the_limit_is_accepted(address: tuple[str, int]) -> None:
    with connection(address) as client:
        client.sendall(
            GET + b"Connection: close\r\nX-Padding: " + b"a" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n"
        )
        assert status(answer(client)) == 200


@pytest.mark.parametrize(
    ("request_", "limit"),
    [(b"", HEAD_SECONDS), (b"GET", HEAD_SECONDS), (GET, HEAD_SECONDS), (POST + b"123", BODY_SECONDS)],
    ids=["nothing", "a word", "no empty line", "no whole body"],
)
def test_an_unfinished_request_is_closed(address: tuple[str, int], request_: bytes, limit: float) -> None:
    with connection(address) as client:
        started_at = time.monotonic()
        client.sendall(request_)
        received = answer(client)
        assert limit * 0.9 < time.monotonic() - started_at < limit + 5
    assert received == b"" if not request_ else status(received) == 408


@pytest.mark.parametrize(
    "start", [GET, POST.replace(b"9", b"999"), POST.replace(b"/ ", b"/refuse ").replace(b"9", b"999")]
)
def test_slow_bytes_do_not_keep_a_connection_open(address: tuple[str, int], start: bytes) -> None:
    with connection(address) as client:
        client.sendall(start)
        send_until_closed(client, b"a", limit=200, pause_seconds=0.05)


def test_empty_lines_do_not_keep_a_connection_open(address: tuple[str, int]) -> None:
    with connection(address) as client:
        client.sendall(GET + b"\r\n")
        send_until_closed(client, b"\r\n", limit=200, pause_seconds=0.05)


def test_requests_on_one_connection_have_separate_limits(address: tuple[str, int]) -> None:
    with connection(address) as client:
        for _ in range(4):
            client.sendall(GET)
            time.sleep(HEAD_SECONDS / 2)
            client.sendall(b"\r\n")
            assert status(client.recv(65536)) == 200


def test_a_slow_answer_is_not_interrupted(address: tuple[str, int]) -> None:
    with connection(address) as client:
        client.sendall(GET.replace(b"/ ", b"/wait ") + b"Connection: close\r\n\r\n")
        assert answer(client).endswith(b"waited")
