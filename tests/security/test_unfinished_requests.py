"""Test that the API withstands oversized and unfinished requests from clients without a key."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import psutil

from api.web.http_protocol import HEAD_SECONDS
from tests.support.running_stack import Stack

CONNECTIONS = 400
HEAD = b"GET /exports HTTP/1.1\r\nHost: localhost\r\n"


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


def test_unfinished_heads_are_closed_and_do_not_disturb_others(stack: Stack) -> None:
    address = urlsplit(stack.api_url)
    with ExitStack() as exits:
        clients = []
        for _ in range(CONNECTIONS):
            clients.append(
                exits.enter_context(socket.create_connection((address.hostname, address.port), 10))
            )
            clients[-1].sendall(HEAD)
        assert httpx.get(f"{stack.api_url}/readyz", timeout=10, trust_env=False).status_code == 200
        assert all(map(is_closed, clients))


def test_a_head_of_64_mib_needs_no_memory(stack: Stack) -> None:
    address, process = urlsplit(stack.api_url), psutil.Process(stack.pids["api"])
    before, sent = process.memory_info().rss, 0
    with socket.create_connection((address.hostname, address.port), 10) as client:
        client.sendall(HEAD + b"X-Padding: ")
        try:
            while sent < 64 << 20:
                sent += client.send(b"a" * 65536)
        except ConnectionError:
            pass
    assert sent < 8 << 20
    assert process.memory_info().rss - before < 16 << 20
