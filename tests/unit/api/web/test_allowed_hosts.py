import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.settings import ApiSettings
from api.web.allowed_hosts import AllowedHosts
from api.web.forwarded_prefix import ForwardedPrefix

Headers = list[tuple[bytes, bytes]]
REQUIRED: dict[str, Any] = {
    "database_url": "sqlite://",
    "storage_url": "file:///exports",
    "public_url": "https://Reports.example.com:8443/exports-app",
}


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse("rows")


ROUTES = Starlette(routes=[Route("/exports", read), Route("/healthz", read), Route("/readyz", read)])


def call(headers: Headers, path: str = "/exports", **settings: Any) -> dict[str, Any]:
    """Call the app and return the start and body messages of its response as one dictionary."""
    hosts = ApiSettings.model_validate(REQUIRED | settings).answered_hosts
    app = ForwardedPrefix(AllowedHosts(ROUTES, hosts))
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    answer: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        answer.update(message)

    asyncio.run(app(scope, receive, send))
    return answer


def status(host: str, path: str = "/exports", **settings: Any) -> int:
    return int(call([(b"host", host.encode("latin-1"))], path, **settings)["status"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.8.9.10:65535",
        "[::1]",
        "[::1]:8000",
        "reports.example.com",
        "REPORTS.example.com:1",
    ],
)
def test_loopback_and_the_public_host_are_answered_on_any_port(host: str) -> None:
    assert status(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "rebound.test",
        "rebound.test:8000",
        "testserver",
        "localhost.rebound.test",
        "127.0.0.1.rebound.test",
        "reports.example.com.rebound.test",
        "rebound.test:8000@localhost",
        "localhost@rebound.test",
        "localhost/rebound.test",
        "localhost, rebound.test",
        "localhost\xa0",
        "localhost:80:80",
        "127.1",
        "0.0.0.0:8000",
        "192.0.2.1",
        "[2001:db8::1]",
        "::1",
        "[localhost]",
    ],
)
def test_any_other_host_is_rejected(host: str) -> None:
    assert status(host) == 421


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"localhost"), (b"host", b"rebound.test")],
        [(b"host", b"rebound.test"), (b"host", b"localhost")],
        [(b"host", b"rebound.test"), (b"x-forwarded-host", b"localhost")],
        [(b"host", b"rebound.test"), (b"forwarded", b"host=localhost")],
        [(b"host", b"rebound.test"), (b"x-forwarded-prefix", b"/healthz")],
    ],
    ids=["no Host", "two Hosts", "two Hosts reversed", "X-Forwarded-Host", "Forwarded", "prefix"],
)
def test_only_one_host_header_counts(headers: Headers) -> None:
    assert call(headers)["status"] == 421


def test_a_rejection_is_a_problem_response() -> None:
    answer = call([(b"host", b"rebound.test")])
    assert (b"content-type", b"application/problem+json") in answer["headers"]
    assert b'"status":421' in answer["body"]
    assert b"REPORTS_ALLOWED_HOSTS" in answer["body"]


def test_only_liveness_is_answered_under_any_host() -> None:
    assert status("192.0.2.1", "/healthz") == 200
    assert call([], "/healthz")["status"] == 200
    assert status("192.0.2.1", "/readyz") == 421


def test_the_setting_adds_hosts() -> None:
    hosts = "Testserver, [2001:db8::1],"
    assert status("testserver:80", allowed_hosts=hosts) == 200
    assert status("[2001:DB8::1]:80", allowed_hosts=hosts) == 200
    assert status("localhost", allowed_hosts=hosts) == 200
    assert status("rebound.test", allowed_hosts=hosts) == 421


def test_with_authentication_any_host_is_answered_until_the_setting_names_some() -> None:
    assert status("any.test", keys_file="keys.json") == 200
    assert status("any.test", keys_file="keys.json", allowed_hosts="other.test") == 421
    assert status("reports.example.com", keys_file="keys.json", allowed_hosts="other.test") == 200


@pytest.mark.parametrize("hosts", ["*", "https://a.example", "a.example:443", "a.example/x", "::1", "a b"])
def test_an_invalid_setting_is_rejected(hosts: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        ApiSettings.model_validate(REQUIRED | {"allowed_hosts": hosts})
