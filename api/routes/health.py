"""Endpoints for liveness, readiness and metrics."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from api.dependencies import ContextDep, authenticate
from api.tables.answers import DisabledReport
from api.web.answer import Answer
from api.web.problems import Refusal
from api.web.responses import only_refusals

router = APIRouter(tags=["health"])

Check = Literal["ok", "failed"]


class Health(Answer):
    status: str


class Checks(Answer):
    database: Literal["ok", "degraded", "failed"] = Field(
        description="`degraded` if some of several databases do not respond."
    )
    prefect: Check
    storage: Check
    files: Literal["ok", "missing", "failed"] = Field(
        description="`missing` if the file of the last export has disappeared from the storage."
    )
    worker: Check
    keys: Literal["ok", "stale", "failed"] = Field(
        description="`stale` if the key file is not valid and the last valid keys are in use."
    )
    reports: Literal["ok", "degraded"] = Field(
        description="`degraded` if a report is disabled because it is broken."
    )


class Readiness(Answer):
    status: Literal["ready", "degraded", "not ready"] = Field(
        description="`degraded` if exports can run, but a report is disabled because it is broken, or one of"
        " several databases does not respond."
    )
    checks: Checks
    reasons: dict[str, str] | None = Field(
        None, description="Why checks failed. Only for requests from the same machine."
    )
    disabled_reports: list[DisabledReport] = Field(
        description="Broken reports and the reasons. If the API requires a key, the list is empty unless the"
        " request has a key with all rights."
    )


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
    responses=only_refusals(421),
    openapi_extra={"security": []},
)
async def metrics(request: Request, context: ContextDep) -> Response:
    """Return the metrics. The name of a report is visible only to callers who may use the report."""
    await context.job_counts.refresh()
    try:
        reports = context.catalog.permitted(authenticate(request))
    except Refusal:
        return context.metrics.response(visible_reports=())
    return context.metrics.response(visible_reports=reports)


@router.get(
    "/readyz",
    operation_id="isReady",
    summary="Check the database, Prefect, storage and workers",
    response_model=Readiness,
    response_description="Exports can run.",
    responses={
        503: {"model": Readiness, "description": "Exports cannot run, because a check failed."},
        **only_refusals(421),
    },
    openapi_extra={"security": []},
)
async def readyz(context: ContextDep, request: Request, response: Response) -> Readiness:
    """Run the checks.

    The service is still ready if `keys` is `stale` or `files` is `missing`.
    """
    results = await context.readiness.results()
    response.headers["Cache-Control"] = "no-store"
    ready, broken = "failed" not in results.values(), context.reports.broken
    degraded = broken or "degraded" in results.values()
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(
        status="not ready" if not ready else "degraded" if degraded else "ready",
        checks=Checks.model_validate(results),
        reasons=context.readiness.reasons if _is_local(request) else None,
        disabled_reports=[DisabledReport.of(report) for report in broken if _has_all_rights(request)],
    )


def _is_local(request: Request) -> bool:
    """Return whether the request comes directly from this machine, not through a proxy."""
    is_forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
    host = request.client.host if request.client is not None else ""
    return host in ("127.0.0.1", "::1") and not is_forwarded


def _has_all_rights(request: Request) -> bool:
    """Return whether the caller has all rights and may therefore see the names of files and tables.

    The route does not require a key, so this returns False instead of raising an error if the request has no
    valid key.
    """
    try:
        return not authenticate(request).is_limited
    except Refusal:
        return False
