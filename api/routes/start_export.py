"""From an HTTP request to a started job, the same way on every route that starts one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import Request

from api.access.caller import Caller
from api.context import Context
from api.exports.job import Job
from api.exports.run_writer import KeyReused
from api.web import strict_json
from api.web.problems import Problem
from flows import logs
from flows.errors import FieldError, InvalidRequest
from flows.query.request import ExportRequest, parse_request

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Started:
    job: Job
    replayed: bool

    @property
    def headers(self) -> dict[str, str]:
        found = {"Location": f"/exports/{self.job.run.id}", "Retry-After": "1", "Cache-Control": "no-store"}
        return found | ({"Idempotent-Replayed": "true"} if self.replayed else {})


async def from_body(request: Request, context: Context, caller: Caller) -> Started:
    key = idempotency_key(request)
    return await start(await asked(request, context, caller), context, caller, key)


async def asked(request: Request, context: Context, caller: Caller) -> ExportRequest:
    """What the body asks for, every name in it known; InvalidRequest otherwise."""
    found = parse_request(strict_json.decode(await body(request)), caller.permitted(context.reports))
    await context.source.check_request(found)
    return found


async def start(
    asked_for: ExportRequest, context: Context, caller: Caller, key: str | None, tags: Sequence[str] = ()
) -> Started:
    try:
        job, replayed = await context.runs.start(asked_for, caller.name, key, datetime.now(UTC), tags)
    except KeyReused:
        raise key_reused() from None
    logs.bind(job=job.run.id)
    context.metrics.starts.labels(asked_for.report.name, str(replayed).lower()).inc()
    if not replayed:
        context.watcher.watch(job, caller.name)
    return Started(job, replayed)


def key_reused() -> Problem:
    detail = "This Idempotency-Key came earlier with another request."
    error = FieldError("/headers/Idempotency-Key", "reused", detail)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, [error])


async def again(request: dict[str, Any], context: Context, caller: Caller, tags: Sequence[str]) -> Started:
    """The request of an earlier job, as if it were asked today."""
    found = parse_request(request, caller.permitted(context.reports))
    await context.source.check_request(found)
    return await start(found, context, caller, None, tags)


async def body(request: Request) -> bytes:
    """At most 64 KiB are read, whatever the client sends or claims."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Also what keeps other sites' pages from starting exports: this type they may not send.
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the request as application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > strict_json.MAX_BYTES:
            detail = f"The body is larger than {strict_json.MAX_BYTES // 1024} KiB."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return body


def idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not IDEMPOTENCY_KEY.fullmatch(keys[0]):
        detail = "It must be one value of 1 to 255 visible ASCII characters."
        raise InvalidRequest.at("/headers/Idempotency-Key", "format", detail)
    return keys[0]
