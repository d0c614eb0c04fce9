"""Attack the API without a key: with heads that are too large, and with requests that never end."""

import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import psutil

from api.web.http_protocol import HEAD_SECONDS
from tests.support.running_stack import Stack

CONNECTIONS = 400
HEAD = b"GET /exports HTTP/1.1\r\nHost: localhost\r\n"


def open_connections(stack: Stack) -> int:
    connections = psutil.Process(stack.pids["api"]).net_connections("tcp")
    port = urlsplit(stack.api_url).port
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in connections)


def test_unfinished_heads_are_closed_and_do_not_disturb_others(stack: Stack) -> None:
    address = urlsplit(stack.api_url)
    with ExitStack() as exits:
        for _ in range(CONNECTIONS):
            client = exits.enter_context(socket.create_connection((address.hostname, address.port), 10))
            client.sendall(HEAD)
        assert open_connections(stack) >= CONNECTIONS
        assert httpx.get(f"{stack.api_url}/readyz", timeout=10, trust_env=False).status_code == 200
        deadline = time.monotonic() + HEAD_SECONDS + 10
        while open_connections(stack) >= CONNECTIONS / 10:
            assert time.monotonic() < deadline
            time.sleep(0.2)


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
