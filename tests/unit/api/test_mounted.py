"""Test the API and the page when they are mounted under a prefix in a FastAPI or Starlette application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from starlette.applications import Starlette
from starlette.routing import Mount

from api.app import Application
from tests.support.app_in_process import application, client_of, without_prefect

PREFIX = "/exports-app"
Host = Callable[[Application], Any]


def in_fastapi(exports: Application) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with exports.lifespan():
            yield

    app = FastAPI(title="Shop", lifespan=lifespan)

    @app.get("/products")
    async def products() -> list[str]:
        return ["tea"]

    app.mount(PREFIX, exports)
    return app


def in_starlette(exports: Application) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with exports.lifespan():
            yield

    return Starlette(routes=[Mount(PREFIX, exports)], lifespan=lifespan)


@pytest.fixture(autouse=True)
def no_prefect() -> Iterator[None]:
    with without_prefect():
        yield


@pytest.fixture(params=[in_fastapi, in_starlette])
def host(request: pytest.FixtureRequest) -> Host:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def get(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Response]]:
    """Return a function that starts the host application and requests the given paths."""
    exports = application(monkeypatch, tmp_path)

    async def requests(paths: tuple[str, ...], headers: dict[str, str]) -> list[Response]:
        app = host(exports)
        async with app.router.lifespan_context(app), client_of(app) as client:
            return [await client.get(path, headers=headers, follow_redirects=True) for path in paths]

    return lambda *paths, **headers: asyncio.run(requests(paths, headers))


def test_the_page_and_its_files_are_served_under_the_prefix(get: Callable[..., list[Response]]) -> None:
    page, without_slash, script = get(f"{PREFIX}/", PREFIX, f"{PREFIX}/page/main.js")
    assert "<title>" in page.text
    assert str(without_slash.url).endswith(f"{PREFIX}/")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_routes_health_and_api_docs_work_under_the_prefix(get: Callable[..., list[Response]]) -> None:
    types, health, ready, docs, document = get(
        *(f"{PREFIX}{path}" for path in ("/report-types", "/healthz", "/readyz", "/docs", "/openapi.json"))
    )
    assert "orders" in [item["name"] for item in types.json()["items"]]
    assert health.status_code == 200
    assert ready.json()["checks"]["database"] == "ok"
    assert f"{PREFIX}/openapi.json" in docs.text
    assert "sha256-" in docs.headers["content-security-policy"]
    assert document.json()["servers"] == [{"url": PREFIX}]
    assert "/exports" in document.json()["paths"]


def test_a_proxy_may_add_another_prefix(get: Callable[..., list[Response]]) -> None:
    headers = {"X-Forwarded-Prefix": "/company"}
    docs, types = get(f"{PREFIX}/docs", f"{PREFIX}/report-types", **headers)
    assert f"/company{PREFIX}/openapi.json" in docs.text
    assert types.status_code == 200


def test_the_other_application_keeps_its_routes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = in_fastapi(application(monkeypatch, tmp_path))

    async def requests(client: AsyncClient) -> tuple[Response, Response]:
        return await client.get("/products"), await client.get("/openapi.json")

    async def run() -> tuple[Response, Response]:
        async with app.router.lifespan_context(app), client_of(app) as client:
            return await requests(client)

    products, document = asyncio.run(run())
    assert products.json() == ["tea"]
    assert set(document.json()["paths"]) == {"/products"}


def test_an_application_that_was_not_started_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exports = application(monkeypatch, tmp_path)

    async def run() -> None:
        async with client_of(Starlette(routes=[Mount(PREFIX, exports)])) as client:
            await client.get(f"{PREFIX}/report-types")

    with pytest.raises(RuntimeError, match=r"enter the context manager `lifespan\(\)`"):
        asyncio.run(run())
