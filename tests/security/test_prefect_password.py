"""Test that the embedded Prefect server rejects requests without the right password.

At commit 4f602ff, the server required no password.
"""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.running_stack import Stack
from tests.support.security_table import Tally

PUBLIC = {("GET", "/health"), ("GET", "/ready")}
SOME_ID = "00000000-0000-4000-8000-000000000000"
SOCKETS = ["events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled"]
SOCKETS += ["work_pools/exports/workers/connect"]


def basic(auth_string: str) -> str:
    return f"Basic {base64.b64encode(auth_string.encode()).decode()}"


@pytest.fixture(scope="module")
def anonymous(stack: Stack) -> Any:
    with httpx.Client(
        base_url=stack.prefect_api_url.removesuffix("/api"), timeout=30, trust_env=False
    ) as client:
        yield client


def test_every_operation_needs_the_password(anonymous: httpx.Client, tally: Tally) -> None:
    document = anonymous.get("/openapi.json").json()
    operations = [(m.upper(), path) for path, methods in document["paths"].items() for m in methods]
    assert len(operations) > 150
    answered = set()
    for method, path in operations:
        url = re.sub(r"{[^}]+}", SOME_ID, path)
        body = None if method in ("GET", "DELETE") else {}
        if anonymous.request(method, f"/api{url}", json=body).status_code != httpx.codes.UNAUTHORIZED:
            answered.add((method, path))
    assert answered == PUBLIC
    tally.add(len(operations), harmless=len(PUBLIC))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic Og=="},
        {"Authorization": basic("admin:")},
        {"Authorization": basic("admin:pass")},
        {"Authorization": "Basic"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer x"},
        {"Host": "rebound.test"},
        {"Host": "127.0.0.1/api/health#"},
        {"Host": "localhost", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Prefix": "/api/health"},
        {"Origin": "http://evil.test"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Original-URL": "/api/health"},
    ],
)
@pytest.mark.parametrize("path", ["/api/flows/filter", "/api//flows/filter", "/api/health/../flows/filter"])
def test_no_header_replaces_the_password(
    anonymous: httpx.Client, path: str, headers: dict[str, str], tally: Tally
) -> None:
    assert anonymous.post(path, json={}, headers=headers).status_code == httpx.codes.UNAUTHORIZED
    tally.add(1)


def test_the_password_is_accepted(anonymous: httpx.Client, stack: Stack) -> None:
    login = {"Authorization": basic(stack.prefect_api_auth_string)}
    assert anonymous.post("/api/flows/filter", json={}, headers=login).status_code == httpx.codes.OK


def test_no_other_origin_may_read_a_response(anonymous: httpx.Client) -> None:
    response = anonymous.get("/api/health", headers={"Origin": "http://evil.test"})
    assert "access-control-allow-origin" not in response.headers
    preflight = {"Origin": "http://evil.test", "Access-Control-Request-Method": "POST"}
    response = anonymous.options("/api/flows/", headers=preflight)
    assert "access-control-allow-origin" not in response.headers


def socket_answer(stack: Stack, path: str, protocols: list[Any] | None, token: str | None) -> str:
    """Return the first message from the server, or an empty string if it refused the connection."""
    url = f"{stack.prefect_api_url.replace('http', 'ws')}/{path}"
    try:
        with connect(url, subprotocols=protocols, origin="http://evil.test", proxy=None) as socket:  # type: ignore[arg-type]
            socket.send(json.dumps({"type": "auth", "token": token}))
            return str(socket.recv(timeout=10))
    except (ConnectionClosed, InvalidStatus):
        return ""


@pytest.mark.parametrize("path", SOCKETS)
def test_every_websocket_needs_the_password(stack: Stack, path: str, tally: Tally) -> None:
    assert urlsplit(stack.prefect_api_url).scheme == "http"
    refused = [
        socket_answer(stack, path, None, None),
        socket_answer(stack, path, ["prefect"], None),
        socket_answer(stack, path, ["prefect"], "admin:"),
    ]
    assert refused == ["", "", ""]
    tally.add(len(refused))
    assert "auth_success" in socket_answer(stack, path, ["prefect"], stack.prefect_api_auth_string)


def test_the_password_is_kept_for_the_owner_only(stack: Stack) -> None:
    file = stack.data_dir / "prefect-login"
    assert file.read_text() == stack.prefect_api_auth_string
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(stack.prefect_api_auth_string) > 30
