"""Endpoint that returns the caller's limits and their current usage."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Response
from pydantic import Field

from api.dependencies import CallerDep, ContextDep, ReportsDep
from api.web import strict_json
from api.web.answer import Answer, Count
from api.web.responses import refusals

router = APIRouter(tags=["exports"])


class Quota(Answer):
    limit: Count
    used: Count
    left: Count

    @classmethod
    def of(cls, limit: int, used: int) -> "Quota":
        return cls(limit=limit, used=used, left=max(0, limit - used))


class RateQuota(Answer):
    per_second: float
    burst: Count
    left: Count


class ReportQuota(Answer):
    """Limits of a report. Null means unlimited."""

    max_days: Count | None
    max_rows: Count | None


class BodyLimits(Answer):
    bytes: Count
    depth: Count


class Limits(Answer):
    running: Quota = Field(description="Concurrent exports. Further exports wait in the queue.")
    queued: Quota = Field(description="Exports waiting in the queue.")
    starts: RateQuota = Field(description="Exports started, and schedules created or changed.")
    schedules: Quota = Field(description="Schedules.")
    previews: RateQuota = Field(description="Dry runs and previews of schedules.")
    tokens: RateQuota = Field(description="Tokens that an API key creates for end users.")
    rows: Count | None = Field(description="Maximum number of rows in an export, or null if unlimited.")
    reports: dict[str, ReportQuota] = Field(description="Limits by the name of the report.")
    body: BodyLimits


@router.get(
    "/limits",
    operation_id="getLimits",
    summary="Get my limits and how much of each is left",
    response_model=Limits,
    response_description="The limits.",
    responses=refusals(),
)
async def read_limits(
    reports: ReportsDep, caller: CallerDep, context: ContextDep, response: Response
) -> Limits:
    """Return the caller's limits.

    Requests that would exceed a limit are rejected with status 429 and a `Retry-After` header. Once the
    maximum number of exports is running, further exports wait.
    """
    settings, reader = context.settings, context.run_reader
    running, queued, schedules = await asyncio.gather(
        reader.running(caller.name),
        reader.queued(caller.name, datetime.now(UTC)),
        context.schedules.count(caller.name),
    )
    response.headers["Cache-Control"] = "no-store"
    return Limits(
        running=Quota.of(settings.running_per_caller, running),
        queued=Quota.of(settings.queued_per_caller, queued),
        starts=RateQuota(
            per_second=settings.starts_per_second,
            burst=settings.starts_burst,
            left=context.limits.starts.throttle.left(caller.name),
        ),
        schedules=Quota.of(settings.schedules_per_caller, schedules),
        previews=RateQuota(
            per_second=settings.previews_per_second,
            burst=settings.previews_burst,
            left=context.limits.previews.left(caller.name),
        ),
        tokens=RateQuota(
            per_second=settings.tokens_per_second,
            burst=settings.tokens_burst,
            left=context.limits.tokens.left(caller.name),
        ),
        rows=settings.rows_per_export or None,
        reports={
            name: ReportQuota(max_days=report.max_days, max_rows=report.max_rows)
            for name, report in reports.items()
        },
        body=BodyLimits(bytes=strict_json.MAX_BYTES, depth=strict_json.MAX_DEPTH),
    )
