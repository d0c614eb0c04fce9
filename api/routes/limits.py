"""What the caller may have at a time, and what is left of it."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.context import caller_of, context_of
from api.openapi import operations
from api.web import strict_json

router = APIRouter(tags=["exports"])


@router.get(
    "/limits",
    operation_id="getLimits",
    summary="My limits, and what is left of them",
    openapi_extra=operations.GET_LIMITS,
)
async def limits(request: Request) -> Response:
    """A start beyond them is answered with 429 and `Retry-After`; more than `running` wait for their turn."""
    context, caller = context_of(request), caller_of(request)
    settings, reader = context.settings, context.reader
    running, queued = await asyncio.gather(
        reader.running(caller.name), reader.queued(caller.name, datetime.now(UTC))
    )
    body = {
        "running": _quota(settings.running_per_caller, running),
        "queued": _quota(settings.queued_per_caller, queued),
        "starts": {
            "perSecond": settings.starts_per_second,
            "burst": settings.starts_burst,
            "left": context.admission.starts_left(caller.name),
        },
        "rows": settings.rows_per_export or None,
        "reports": {
            name: {"maxDays": report.max_days, "maxRows": report.max_rows}
            for name, report in caller.permitted(context.reports).items()
        },
        "body": {"bytes": strict_json.MAX_BYTES, "depth": strict_json.MAX_DEPTH},
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _quota(limit: int, used: int) -> dict[str, int]:
    return {"limit": limit, "used": used, "left": max(0, limit - used)}
