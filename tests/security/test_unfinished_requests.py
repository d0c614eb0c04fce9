"""Test that the API withstands oversized and unfinished requests from clients without a key."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import psutil

from api.web.http_protocol import HEAD_SECONDS
from tests.support.extra_processes import ExtraProcesses
from tests.support.running_stack import Stack
from tests.support.security_table import Tally

CONNECTIONS, MAX_SENT, READY_SECONDS = 400, 64 << 20, 5.0
HEAD = b"GET /exports HTTP/1.1\r\nHost: localhost\r\n"
BODY = (
    b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % MAX_SENT
)
TRAILER = HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Padding: "


def is_closed(client: socket.socket) -> bool:
    """Return whether the server closes the connection before the timeout."""
    client.settimeout(HEAD_SECONDS + 10)
    try:
        while client.recv(1024):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def is_answered(client: socket.socket) -> bool:
    """Return whether the server responds with 401 before the body is complete."""
    client.settimeout(10)
    return client.recv(1024).startswith(b"HTTP/1.1 401 ")


@contextmanager
def connections(url: str, content: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections and send the content on each of them."""
    address = urlsplit(url)
    with ExitStack() as exits:
        clients = []
        for _ in range(CONNECTIONS):
            client = socket.create_connection((address.hostname, address.port), 10)
            clients.append(exits.enter_context(client))
            client.sendall(content)
        yield clients


def sent_bytes(url: str, start: bytes) -> int:
    """Send `start` and then padding until the server closes the connection. Return the size of the padding.

    The padding is limited to 64 MiB.
    """
    address, sent = urlsplit(url), 0
    with socket.create_connection((address.hostname, address.port), 10) as client:
        client.sendall(start)
        with suppress(ConnectionError):
            while sent < MAX_SENT:
                sent += client.send(b"a" * 65536)
    return sent


def assert_ready(url: str) -> None:
    response = httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
    assert response.status_code == 200
    assert response.elapsed.total_seconds() < READY_SECONDS


def test_unfinished_heads_are_closed_and_do_not_disturb_others(stack: Stack, tally: Tally) -> None:
    with connections(stack.api_url, HEAD) as clients:
        assert_ready(stack.api_url)
        assert all(map(is_closed, clients))
    tally.add(CONNECTIONS)


def test_unfinished_bodies_without_a_key_are_answered_and_do_not_disturb_others(
    guarded_url: str, tally: Tally
) -> None:
    with connections(guarded_url, BODY + b"{") as clients:
        assert_ready(guarded_url)
        assert all(map(is_answered, clients))
    tally.add(CONNECTIONS)


def test_a_head_of_64_mib_needs_no_memory(stack: Stack, tally: Tally) -> None:
    process = psutil.Process(stack.pids["api"])
    before = process.memory_info().rss
    assert sent_bytes(stack.api_url, HEAD + b"X-Padding: ") < 8 << 20
    assert process.memory_info().rss - before < 16 << 20
    tally.add(1)


def test_a_body_or_trailer_of_64_mib_without_a_key_needs_no_memory(
    guarded_api: tuple[str, ExtraProcesses], tally: Tally
) -> None:
    url, processes = guarded_api
    process = psutil.Process(processes.api_process.pid)
    before = process.memory_info().rss
    sent_bytes(url, BODY)
    assert sent_bytes(url, TRAILER) < 8 << 20
    assert process.memory_info().rss - before < 16 << 20
    tally.add(2)
