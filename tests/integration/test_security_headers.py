"""Test that every response has the security headers."""

import re

import httpx
import pytest

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
RESPONSES = [
    ("GET", "/", 200),
    ("HEAD", "/", 200),
    ("GET", "/page/main.js", 200),
    ("GET", "/page/nothing.js", 404),
    ("GET", "/openapi.json", 200),
    ("GET", "/report-types", 200),
    ("GET", "/reports", 422),
    ("GET", "/nowhere", 404),
    ("PUT", "/exports", 405),
    ("POST", "/exports", 415),
    ("GET", "/static-offline-docs/swagger-ui.css", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), RESPONSES)
def test_every_response_has_the_headers(api: httpx.Client, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == STRICT
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


def test_the_docs_allow_only_their_own_script(api: httpx.Client) -> None:
    policy = api.get("/docs").headers["content-security-policy"]
    scripts = re.search(r"script-src ([^;]+)", policy)
    assert scripts is not None
    assert re.fullmatch(r"'self' 'sha256-[A-Za-z0-9+/=]{44}'", scripts[1])


def test_modules_are_revalidated(api: httpx.Client) -> None:
    first = api.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    revalidated = api.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert revalidated.status_code == 304
