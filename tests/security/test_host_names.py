"""Test that all API routes reject unknown host names to prevent DNS rebinding."""

import socket
from urllib.parse import urlsplit

import httpx

from tests.support.running_stack import Stack
from tests.support.security_table import Tally

FILES = ["/", "/page/main.js", "/docs", "/openapi.json", "/files/job/1.csv", "/unknown"]


def test_no_route_answers_under_a_rebound_name(stack: Stack, tally: Tally) -> None:
    document = httpx.get(f"{stack.api_url}/openapi.json", trust_env=False).raise_for_status().json()
    operations = [(method, path) for path, item in document["paths"].items() for method in item]
    operations += [("get", path) for path in FILES]
    port = urlsplit(stack.api_url).port
    headers = {"Host": f"rebound.test:{port}", "X-Forwarded-Host": "localhost"}
    with httpx.Client(base_url=stack.api_url, headers=headers, timeout=30, trust_env=False) as client:
        answers = {(method, path): client.request(method, path) for method, path in operations}
    assert {operation for operation, answer in answers.items() if answer.status_code != 421} == {
        ("get", "/healthz")
    }
    refused = answers["get", "/exports"]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["x-content-type-options"] == "nosniff"
    tally.add(len(answers), harmless=1)


def test_http_1_0_without_a_host_is_refused(stack: Stack, tally: Tally) -> None:
    address = urlsplit(stack.api_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"GET /exports HTTP/1.0\r\n\r\n")
        assert connection.recv(1024).split(b"\r\n")[0].startswith(b"HTTP/1.1 421 ")
    tally.add(1)
