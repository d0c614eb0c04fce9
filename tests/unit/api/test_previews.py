"""Test that schedule validation is rate-limited and does not block the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api.access import limit_problem
from api.access.caller import LOCAL, Caller
from api.access.catalog import Catalog
from api.access.rate_limits import Limits
from api.context import Context
from api.routes import schedules
from api.settings import ApiSettings
from api.web import problems
from flows.query.request import ExportRequest
from flows.reports import catalog

BURST = 3
BLOCKED_SECONDS = 5.0
CALCULATIONS = ["parse_schedule", "runs_of_new_schedule"]
HOURS = ",".join(map(str, range(24)))
BODY = {
    "recurrence": {
        "rrule": f"DTSTART:20260101T000000\nRRULE:FREQ=DAILY;BYHOUR={HOURS}",
        "timeZone": "America/Scoresbysund",
    },
    "range": {"kind": "relative", "preset": "yesterday"},
    "export": {"surveyId": "668b6fa3b8d693cd865b44bb"},
}


class NoAuthentication:
    def caller(self, _: Any) -> Caller:
        return LOCAL


class EmptySource:
    async def check_request(self, request: ExportRequest) -> None:
        pass


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    limit_problem.install(app)
    app.include_router(schedules.router)
    settings = ApiSettings(
        database_url="sqlite://", storage_url="file:///tmp", previews_burst=BURST, previews_per_second=0.001
    )
    parts: dict[str, Any] = dict.fromkeys(Context.__dataclass_fields__)
    parts |= {
        "settings": settings,
        "catalog": Catalog.of(catalog(("flows.samples",))),
        "source": EmptySource(),
        "authentication": NoAuthentication(),
        "limits": Limits.of(settings, lambda: 0.0),
    }
    app.state.context = Context(**parts)
    return app


async def preview(app: FastAPI) -> Response:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
        return await client.post("/schedules/preview", json=BODY)


async def create(app: FastAPI, **changes: Any) -> Response:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
        return await client.post("/schedules", json=BODY | changes)


def test_a_preview_leaves_the_event_loop_free(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each calculation waits until the event loop has run a task, which fails if it blocks the loop."""
    calculations: list[str] = []

    def beside_a_task(calculate: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
        def wait_and_calculate(*args: Any, **options: Any) -> Any:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(BLOCKED_SECONDS)
            calculations.append(calculate.__name__)
            return calculate(*args, **options)

        return wait_and_calculate

    async def preview_beside_tasks() -> Response:
        loop = asyncio.get_running_loop()
        for name in CALCULATIONS:
            monkeypatch.setattr(schedules, name, beside_a_task(getattr(schedules, name), loop))
        return await preview(app)

    response = asyncio.run(preview_beside_tasks())
    assert len(response.raise_for_status().json()["runs"]) == 3
    assert calculations == CALCULATIONS


def test_previews_are_limited_for_each_caller(app: FastAPI) -> None:
    responses = [asyncio.run(preview(app)) for _ in range(BURST + 1)]
    assert [response.status_code for response in responses] == [200] * BURST + [429]
    refusal = responses[-1]
    assert refusal.json()["errors"][0]["code"] == "limit.rate"
    assert int(refusal.headers["retry-after"]) > 0


def test_invalid_schedules_are_limited_separately_from_previews(app: FastAPI) -> None:
    """Without this limit, a caller could keep a CPU core busy with rules that are slow to evaluate."""
    rule = f"DTSTART:20200101T000000\nRRULE:FREQ=DAILY;BYHOUR={HOURS};BYMINUTE=0,15,30,45"
    responses = [asyncio.run(create(app, recurrence={"rrule": rule})) for _ in range(BURST + 1)]
    assert [response.status_code for response in responses] == [422] * BURST + [429]
    assert responses[-1].json()["errors"][0]["code"] == "limit.rate"
    assert asyncio.run(preview(app)).status_code == 200
