"""Test which origins may call the API from a browser, and which response headers they may read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from pydantic import ValidationError

from api.access.cors import RESPONSE_HEADERS
from api.app import create_app
from api.settings import ApiSettings
from deployments.roles.settings import check_settings

SHOP = "https://shop.example.com"
REQUIRED: dict[str, Any] = {"database_url": "sqlite://", "storage_url": "file:///exports"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}
Call = Callable[..., Response]


@pytest.fixture(params=["open", "with keys"])
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Call:
    """Return a function that sends a request to an API with two allowed CORS origins."""
    settings = {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "REPORTS_DATABASE_URL": "sqlite://",
        "REPORTS_STORAGE_URL": tmp_path.as_uri(),
        "REPORTS_PUBLIC_URL": "https://exports.example.com",
        "REPORTS_CORS_ORIGINS": f"{SHOP}, capacitor://localhost",
    }
    if request.param == "with keys":
        settings |= {"REPORTS_KEYS_FILE": str(tmp_path / "keys"), "REPORTS_ALLOWED_HOSTS": "api.internal"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    app = create_app()

    async def send(method: str, path: str, host: str, headers: dict[str, str]) -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url=f"https://{host}") as client:
            return await client.request(method, path, headers=headers)

    def call(method: str, path: str, headers: dict[str, str], host: str = "exports.example.com") -> Response:
        return asyncio.run(send(method, path, host, headers))

    return call


@pytest.mark.parametrize("origin", [SHOP, "capacitor://localhost"])
def test_a_preflight_of_an_allowed_origin_needs_no_key(call: Call, origin: str) -> None:
    response = call("OPTIONS", "/exports", {"Origin": origin, **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(
        response.headers["access-control-allow-methods"].split(", ")
    )


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "http://shop.example.com", f"{SHOP}:8443", f"{SHOP}.evil.com", "null"],
)
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_another_origin_is_not_allowed(call: Call, origin: str, method: str) -> None:
    response = call(method, "/healthz", {"Origin": origin, **(PREFLIGHT if method == "OPTIONS" else {})})
    assert "access-control-allow-origin" not in response.headers
    assert response.status_code == (400 if method == "OPTIONS" else 200)


@pytest.mark.parametrize("path", ["/healthz", "/exports/nothing/here"])
def test_responses_and_errors_can_be_read(call: Call, path: str) -> None:
    response = call("GET", path, {"Origin": SHOP})
    assert response.headers["access-control-allow-origin"] == SHOP
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"X-Progress", "Content-Disposition", "Location", "Retry-After", "Warning", "ETag"} <= set(exposed)


def test_an_allowed_origin_does_not_allow_another_host_name(call: Call) -> None:
    response = call("OPTIONS", "/exports", {"Origin": SHOP, **PREFLIGHT}, host="rebound.test")
    assert response.status_code == 421
    assert "access-control-allow-origin" not in response.headers


def test_every_documented_response_header_is_exposed(call: Call) -> None:
    document = call("GET", "/openapi.json", {}).json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    responses = [response for operation in operations for response in operation["responses"].values()]
    documented = {name for response in responses for name in response.get("headers", {})}
    assert len(documented) > 5
    assert documented <= set(RESPONSE_HEADERS)


@pytest.mark.parametrize(
    ("origins", "message"),
    [
        ("*", "'*' is not an origin"),
        ("null", "'null' is not an origin"),
        ("app.example.com", "is not an origin"),
        (f"{SHOP}/", "is not an origin"),
        (f"{SHOP}/app", "without path"),
        ("https://Shop.example.com", "in lower case"),
        ("https://*.example.com", "is not an origin"),
        (f"{SHOP} http://localhost:3000", "is not an origin"),
        (f"{SHOP}:443", "has the default port"),
        ("http://localhost:80", "has the default port"),
    ],
)
def test_an_invalid_origin_is_rejected(origins: str, message: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins") as raised:
        ApiSettings(**REQUIRED, cors_origins=f"{SHOP}, {origins}")
    assert message in str(raised.value)
    error = check_settings({"REPORTS_CORS_ORIGINS": origins})
    assert error is not None
    assert error.startswith("REPORTS_CORS_ORIGINS: ")


def test_valid_origins_are_accepted() -> None:
    settings = ApiSettings(**REQUIRED, cors_origins=f"{SHOP}, http://localhost:3000,http://[::1]:5173,")
    assert settings.allowed_origins == {SHOP, "http://localhost:3000", "http://[::1]:5173"}
