"""Run the real API in this process, with a SQLite database, a storage folder and no Prefect server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from httpx import ASGITransport, AsyncClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import create_engine
from starlette.types import ASGIApp

from api.app import Application, create_app
from flows.samples.orders import orders
from flows.samples.survey_responses import surveys

T = TypeVar("T")
NOTHING = "http://127.0.0.1:9/api"  # no server listens there


def application(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: str) -> Application:
    """Create the API for the sample reports with empty tables. `settings` are environment variables."""
    url = f"sqlite:///{folder / 'samples.db'}"
    engine = create_engine(url)
    for tables in (orders.metadata, surveys.metadata):
        tables.create_all(engine)
    engine.dispose()
    values = {
        "PREFECT_API_URL": NOTHING,
        "REPORTS_DATABASE_URL": url,
        "REPORTS_STORAGE_URL": (folder / "files").as_uri(),
        "REPORTS_CATALOG": "flows.samples",
        "REPORTS_PUBLIC_URL": "https://exports.example.com",
        **settings,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return create_app()


@asynccontextmanager
async def client_of(
    app: ASGIApp, base_url: str = "https://exports.example.com"
) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(app), base_url=base_url) as client:
        yield client


@contextmanager
def without_prefect() -> Iterator[None]:
    """Prevent Prefect from starting a server.

    Setting PREFECT_API_URL in the environment is not enough, because Prefect reads its settings when it is
    imported.
    """
    with temporary_settings({PREFECT_API_URL: NOTHING}):
        yield


def call(app: Application, requests: Callable[[AsyncClient], Awaitable[T]]) -> T:
    """Start the application, call the function with a client and return its result."""

    async def run() -> T:
        async with app.lifespan(), client_of(app) as client:
            return await requests(client)

    with without_prefect():
        return asyncio.run(run())
