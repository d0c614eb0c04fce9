"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import Context, context_of
from api.openapi import operations

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="isAlive", summary="The process lives", openapi_extra=operations.HEALTH)
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get(
    "/metrics", operation_id="readMetrics", summary="For Prometheus", openapi_extra=operations.METRICS
)
async def metrics(request: Request) -> Response:
    context = context_of(request)
    await context.job_counts.refresh()
    return context.metrics.response()


@router.get(
    "/readyz",
    operation_id="isReady",
    summary="Exports can be made: database, Prefect, storage, a live worker",
    openapi_extra=operations.READINESS,
)
async def readyz(request: Request) -> Response:
    context = context_of(request)
    checks = {
        "database": context.source.check,
        "prefect": context.server.check,
        "storage": lambda: asyncio.to_thread(context.storage.check),
        "worker": lambda: _worker_lives(context),
    }
    limit = context.settings.outage_seconds
    found = await asyncio.gather(*(_answers(check, limit) for check in checks.values()))
    ready = all(found)
    body = {
        "status": "ready" if ready else "not ready",
        "checks": {name: "ok" if ok else "failed" for name, ok in zip(checks, found, strict=True)},
    }
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


async def _worker_lives(context: Context) -> None:
    if await context.reader.live_workers(context.settings.work_pool, datetime.now(UTC)) == 0:
        raise LookupError("no worker is online")


async def _answers(check: Callable[[], Awaitable[None]], limit_seconds: float) -> bool:
    try:
        async with asyncio.timeout(limit_seconds):
            await check()
    except Exception:  # noqa: BLE001 - whatever it is, the part does not serve
        return False
    return True
