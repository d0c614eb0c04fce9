"""Endpoints for liveness, readiness and metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.context import Context
from api.dependencies import ContextDep
from api.web.answer import Answer

router = APIRouter(tags=["health"])

Check = Literal["ok", "failed"]


class Health(Answer):
    status: str


class Checks(Answer):
    database: Check
    prefect: Check
    storage: Check
    worker: Check


class Readiness(Answer):
    status: Literal["ready", "not ready"]
    checks: Checks


@router.get(
    "/healthz",
    operation_id="isAlive",
    summary="Check that the process is running",
    response_model=Health,
    response_description="The process is running.",
    openapi_extra={"security": []},
)
async def healthz() -> Health:
    return Health(status="ok")


@router.get(
    "/metrics",
    operation_id="readMetrics",
    summary="Read metrics in the Prometheus format",
    response_class=PlainTextResponse,
    response_description="Prometheus text format.",
    openapi_extra={"security": []},
)
async def metrics(context: ContextDep) -> Response:
    await context.job_counts.refresh()
    return context.metrics.response()


@router.get(
    "/readyz",
    operation_id="isReady",
    summary="Check the database, Prefect, storage and workers",
    response_model=Readiness,
    response_description="Exports can run.",
    responses={503: {"model": Readiness, "description": "Exports cannot run, because a check failed."}},
    openapi_extra={"security": []},
)
async def readyz(context: ContextDep, response: Response) -> Readiness:
    checks = {
        "database": context.source.check,
        "prefect": context.server.check,
        "storage": lambda: asyncio.to_thread(context.storage.check),
        "worker": lambda: _check_worker(context),
    }
    limit = context.settings.outage_seconds
    passed = await asyncio.gather(*(_passes(check, limit) for check in checks.values()))
    response.headers["Cache-Control"] = "no-store"
    if not all(passed):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    results = {name: "ok" if ok else "failed" for name, ok in zip(checks, passed, strict=True)}
    return Readiness(status="ready" if all(passed) else "not ready", checks=Checks.model_validate(results))


async def _check_worker(context: Context) -> None:
    if await context.run_reader.live_workers(context.settings.work_pool, datetime.now(UTC)) == 0:
        raise LookupError("no worker is online")


async def _passes(check: Callable[[], Awaitable[None]], limit_seconds: float) -> bool:
    try:
        async with asyncio.timeout(limit_seconds):
            await check()
    except Exception:  # noqa: BLE001 - any error means that the check failed
        return False
    return True
