"""Test that X-Forwarded-Prefix becomes the root path of a request if it is a valid path."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from api.web.forwarded_prefix import ForwardedPrefix


async def created(request: Request) -> JSONResponse:
    return JSONResponse({}, 201, {"Location": "/things/1"})


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"root": request.scope["root_path"], "url": str(request.url_for("echo"))})


app = ForwardedPrefix(
    Starlette(
        routes=[
            Route("/echo", echo, name="echo"),
            Route("/things", created),
            Mount("/under", routes=[Route("/x", echo)]),
        ]
    )
)


def get(path: str, prefix: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return await client.get(path, headers={"X-Forwarded-Prefix": prefix})

    return asyncio.run(ask())


def test_the_prefix_is_part_of_generated_urls() -> None:
    answer = get("/echo", "/exports-app/").json()
    assert answer == {"root": "/exports-app", "url": "http://host/exports-app/echo"}


def test_mounted_routes_work_with_and_without_a_stripped_prefix() -> None:
    for path in ("/under/x", "/exports-app/under/x"):
        assert get(path, "/exports-app").status_code == 200


def test_the_prefix_is_part_of_locations() -> None:
    assert get("/things", "/exports-app").headers["location"] == "/exports-app/things/1"
    assert get("/things", "").headers["location"] == "/things/1"


@pytest.mark.parametrize(
    "value", ["", "exports", "//evil.example", "/a b", "/a?b", "https://evil.example", "/<b>"]
)
def test_other_values_are_ignored(value: str) -> None:
    assert get("/echo", value).json()["root"] == ""
