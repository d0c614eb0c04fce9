"""Validate requests and start exports. All routes that start exports share this code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Body, Depends, Header, Request, Response
from pydantic import SkipValidation, WithJsonSchema

from api.access import audit
from api.access.caller import Caller
from api.context import Context
from api.dependencies import ContextDep, ReportsDep
from api.exports.answers import Export
from api.exports.job import Job
from api.exports.request_keys import KEY_POINTER, KeyReused
from api.routes import examples
from api.routes.export_state import full_state
from api.web.validation import described_by, read_all
from flows import logs
from flows.errors import FieldError, InvalidRequest
from flows.query.request import ExportRequest, parse_request
from flows.query.request_model import any_report_model

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

ExportBody = Annotated[Any, described_by(any_report_model()), Body(openapi_examples=examples.EXPORTS)]
KeyHeader = Annotated[
    str | None,
    SkipValidation,
    WithJsonSchema({"type": "string", "pattern": f"^{_KEY.pattern}$"}),
    Header(
        alias="Idempotency-Key",
        description="Within 24 hours, requests with the same key and body return the same job.",
    ),
]


@dataclass(frozen=True)
class ExportOrder:
    """A valid request and its Idempotency-Key."""

    request: ExportRequest
    key: str | None


@dataclass(frozen=True)
class Started:
    job: Job
    replayed: bool

    @property
    def headers(self) -> dict[str, str]:
        replayed = {"Idempotent-Replayed": "true"} if self.replayed else {}
        return {"Location": f"/exports/{self.job.run.id}", "Retry-After": "1", **replayed}


async def get_export_order(
    request: Request, body: ExportBody, reports: ReportsDep, context: ContextDep, key: KeyHeader = None
) -> ExportOrder:
    """Validate the body and headers, and check in the database that ids and questions exist."""
    export_request, key = read_all(lambda: parse_request(body, reports), lambda: read_key(request))
    await context.source.check_request(export_request)
    return ExportOrder(export_request, key)


async def get_idempotency_key(request: Request, key: KeyHeader = None) -> str | None:
    return read_key(request)


ExportOrderDep = Annotated[ExportOrder, Depends(get_export_order)]
KeyDep = Annotated[str | None, Depends(get_idempotency_key)]


def read_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1 or not all(_KEY.fullmatch(key) for key in keys):
        detail = "Send one value of 1 to 255 visible ASCII characters."
        raise InvalidRequest([FieldError(KEY_POINTER, "format", detail)])
    return keys[0] if keys else None


async def start(order: ExportOrder, context: Context, caller: Caller, tags: Sequence[str] = ()) -> Started:
    job, replayed = await context.run_writer.start(order.request, caller, order.key, datetime.now(UTC), tags)
    logs.bind(job=job.run.id)
    audit.note(job=job.run.id, export=order.request.body, replayed=replayed or None)
    context.metrics.starts.labels(order.request.report.name, str(replayed).lower()).inc()
    if not replayed:
        context.watcher.watch(job, caller.name)
    return Started(job, replayed)


async def answer_start(started: Started, context: Context, caller: Caller, response: Response) -> Export:
    """Return the new job with status 202, or the current state of an existing job with status 200."""
    job = started.job
    if started.replayed and not context.catalog.covers(caller, job.run):
        raise KeyReused
    if started.replayed and (cached := await context.watcher.read(job.run.id, caller.name)) is not None:
        job = cached.job
    response.status_code = HTTPStatus.OK if started.replayed else HTTPStatus.ACCEPTED
    response.headers.update(started.headers | {"Cache-Control": "no-store"})
    return await full_state(job, context, caller)
