"""Test which sites may embed the page."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.responses import PlainTextResponse

from api.settings import ApiSettings
from api.web.security_headers import SecurityHeaders

REQUIRED: dict[str, Any] = {"database_url": "sqlite://", "storage_url": "file:///tmp"}


def policy_of(path: str, frame_ancestors: str) -> str:
    app = SecurityHeaders(PlainTextResponse("page"), "/docs", frame_ancestors)

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(get()).headers["content-security-policy"]


def directives(policy: str) -> dict[str, str]:
    pairs = (directive.partition(" ") for directive in policy.split("; "))
    return {name: value for name, _, value in pairs}


def test_the_setting_changes_only_who_may_embed_the_page() -> None:
    strict, embedded = directives(policy_of("/", "")), directives(policy_of("/", "https://a.example"))
    assert strict["frame-ancestors"] == "'none'"
    assert embedded == strict | {"frame-ancestors": "https://a.example"}


def test_the_api_docs_can_never_be_embedded() -> None:
    assert directives(policy_of("/docs", "https://a.example"))["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    "sites",
    [
        "'self'",
        "https://a.example",
        "https://*.a.example:8443",
        "http://localhost:*  'self'",
        "http://10.0.0.1",
    ],
)
def test_sites_are_joined_by_single_spaces(sites: str) -> None:
    assert ApiSettings(frame_ancestors=f" {sites} ", **REQUIRED).frame_ancestors == " ".join(sites.split())


@pytest.mark.parametrize(
    "sites",
    ["*", "a.example", "self", "https://a.example; script-src *", "https://a.example,https://b.example",
     "https://a.example/path", "https://*", "data:", "https:"],
)  # fmt: skip
def test_anything_else_is_rejected_with_an_example(sites: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a site; write 'self', or a scheme and a host"):
        ApiSettings(frame_ancestors=sites, **REQUIRED)
