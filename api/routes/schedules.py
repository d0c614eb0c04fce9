"""Recurring exports: make, list, read, change, remove, preview, run now, history."""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.convertors import Convertor, register_url_convertor

from api.context import Context, caller_of, context_of
from api.exports import list_query
from api.exports.run_writer import KeyReused
from api.openapi import operations
from api.routes import start_export
from api.routes.export_state import answer, full_states
from api.schedules import body as schedule_body
from api.schedules import notify as notify_body
from api.schedules import timetable
from api.schedules.body import ALWAYS_CHANGEABLE, RecurringExport
from api.schedules.delivery_log import Deliveries
from api.schedules.deployment import Kept, planned_runs, shown
from api.schedules.notify import Webhooks
from api.tables.table_query import among, whole_number
from api.web import strict_json
from api.web.ids import JOB_ID
from api.web.problems import Problem
from flows import logs
from flows.errors import InvalidRequest


class ScheduleId(Convertor[str]):
    """`preview` is an address of its own: what it does not take is not a recurring export's."""

    regex = "(?!preview(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("schedule", ScheduleId())
router = APIRouter(prefix="/schedules", tags=["recurring exports"])

NO_STORE = {"Cache-Control": "no-store"}
_PLACE = re.compile(r"[0-9]{1,6}", re.ASCII)


@router.post(
    "",
    operation_id="createSchedule",
    summary="Make a recurring export",
    status_code=HTTPStatus.CREATED,
    openapi_extra=operations.CREATE_SCHEDULE,
)
async def create(request: Request) -> Response:
    """Its first run is planned at once; each run is an ordinary export with this `scheduleId`. With an
    `Idempotency-Key`, the same body again is the same recurring export (200)."""
    context, caller = context_of(request), caller_of(request)
    key = start_export.idempotency_key(request)
    body = await _decoded(request)
    asked = await _asked(body, request)
    try:
        kept, replayed = await context.schedules.create(asked, caller, key, body, datetime.now(UTC))
    except KeyReused:
        raise start_export.key_reused() from None
    headers = {"Location": f"/schedules/{kept.id}", **NO_STORE}
    headers |= {"Idempotent-Replayed": "true"} if replayed else {}
    return JSONResponse(_shown(kept, context), HTTPStatus.OK if replayed else HTTPStatus.CREATED, headers)


@router.get(
    "",
    operation_id="listSchedules",
    summary="My recurring exports, newest first",
    openapi_extra=operations.LIST_SCHEDULES,
)
async def list_schedules(request: Request) -> Response:
    """Those of `prefect.yaml` too, which are `readOnly`; `nextCursor` leads to the next page. Of webhooks'
    addresses the list holds the host only."""
    context = context_of(request)
    given = among(request.query_params.multi_items(), ("limit", "cursor"))
    limit = whole_number(given, "limit", list_query.DEFAULT_LIMIT, list_query.MAX_LIMIT)
    found, place = await context.schedules.page(caller_of(request), limit, _place(given.get("cursor")))
    # In a thread, for their next slots take milliseconds each: polls go on meanwhile.
    items = await asyncio.to_thread(lambda: [_shown(kept, context, whole=False) for kept in found])
    return JSONResponse({"items": items, "nextCursor": _cursor(place)}, headers=NO_STORE)


@router.post(
    "/preview",
    operation_id="previewSchedule",
    summary="The next runs and their days",
    openapi_extra=operations.PREVIEW_SCHEDULE,
)
async def preview(request: Request) -> Response:
    """Takes the body of a recurring export, with or without its name; makes nothing."""
    now = datetime.now(UTC)
    asked = await _asked(await _decoded(request), request, needs_name=False)
    runs = planned_runs(asked, asked.recurring(now), timetable.as_schedule(asked.recurrence), now)
    return JSONResponse({"runs": [run.as_body() for run in runs]}, headers=NO_STORE)


@router.get(
    "/{schedule_id:schedule}",
    operation_id="getSchedule",
    summary="One recurring export",
    openapi_extra=operations.GET_SCHEDULE,
)
async def read(schedule_id: str, request: Request) -> Response:
    context = context_of(request)
    return JSONResponse(_shown(await _kept(schedule_id, request), context), headers=NO_STORE)


@router.patch(
    "/{schedule_id:schedule}",
    operation_id="changeSchedule",
    summary="Change, pause or resume",
    openapi_extra=operations.CHANGE_SCHEDULE,
)
async def change(schedule_id: str, request: Request) -> Response:
    """What is given replaces what was there; `{"enabled": false}` pauses."""
    context = context_of(request)
    kept = _changeable(await _kept(schedule_id, request))
    asked = await _changed(kept, schedule_body.check_names(await _decoded(request)), request)
    kept = await context.schedules.change(kept, asked, caller_of(request).name, datetime.now(UTC))
    return JSONResponse(_shown(kept, context), headers=NO_STORE)


@router.delete(
    "/{schedule_id:schedule}",
    operation_id="deleteSchedule",
    summary="Remove a recurring export",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=operations.DELETE_SCHEDULE,
)
async def delete(schedule_id: str, request: Request) -> Response:
    """Exports that it has made stay."""
    context = context_of(request)
    await context.schedules.remove(_changeable(await _kept(schedule_id, request)))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/{schedule_id:schedule}/run",
    operation_id="runSchedule",
    summary="Run now",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=operations.RUN_SCHEDULE,
)
async def run(schedule_id: str, request: Request) -> Response:
    """A job that covers the days that a run planned for this moment would; works while paused too."""
    context, caller = context_of(request), caller_of(request)
    key = start_export.idempotency_key(request)
    kept = await _kept(schedule_id, request)
    job, replayed = await context.schedules.run_now(kept, caller.name, key, datetime.now(UTC))
    logs.bind(job=job.run.id)
    if not replayed:
        context.watcher.watch(job, caller.name)
    return await answer(start_export.Started(job, replayed), context, caller)


@router.get(
    "/{schedule_id:schedule}/deliveries",
    operation_id="listDeliveries",
    summary="Its webhooks, newest first",
    openapi_extra=operations.LIST_DELIVERIES,
)
async def deliveries(schedule_id: str, request: Request) -> Response:
    """When each was sent, where to, how often, and what the receiver answered."""
    context = context_of(request)
    given = among(request.query_params.multi_items(), ("limit", "cursor"))
    limit = whole_number(given, "limit", list_query.DEFAULT_LIMIT, list_query.MAX_LIMIT)
    start = _place(given.get("cursor"))
    kept = await _kept(schedule_id, request)
    found, place = await Deliveries(context.server).page(kept.id, caller_of(request).name, limit, start)
    body = {"items": [each.as_body() for each in found], "nextCursor": _cursor(place)}
    return JSONResponse(body, headers=NO_STORE)


@router.get(
    "/{schedule_id:schedule}/runs",
    operation_id="listRuns",
    summary="Its exports, newest first",
    openapi_extra=operations.LIST_RUNS,
)
async def runs(schedule_id: str, request: Request) -> Response:
    """Each as in `GET /exports`; runs that are still to come are not among them."""
    context, caller = context_of(request), caller_of(request)
    given = among(request.query_params.multi_items(), ("limit", "cursor"))
    asked = list_query.parse(list(given.items()), context.reports, caller, datetime.now(UTC))
    kept = await _kept(schedule_id, request)
    wanted = replace(asked.wanted, deployment_id=kept.deployment_id)
    jobs, place = await context.reader.page(wanted, asked.limit, asked.place)
    body = {
        "items": await full_states(jobs, context, caller),
        "nextCursor": list_query.encode(place) if place is not None else None,
    }
    return JSONResponse(body, headers=NO_STORE)


async def _decoded(request: Request) -> Any:
    return strict_json.decode(await start_export.body(request))


async def _asked(
    body: object, request: Request, needs_name: bool = True, masked: bool = False
) -> RecurringExport:
    """Every name in it known, in the database too; InvalidRequest otherwise."""
    context, caller = context_of(request), caller_of(request)
    permitted = replace(caller, sees_pii=caller.sees_pii and not masked).permitted(context.reports)
    webhooks = Webhooks(context.settings.webhook_secrets, context.settings.private_webhook_hosts)
    asked, export = schedule_body.parse(body, permitted, datetime.now(UTC), webhooks, needs_name)
    try:
        await context.source.check_request(export)
    except InvalidRequest as error:
        under = [replace(each, pointer=f"/export{each.pointer}") for each in error.errors]
        raise InvalidRequest(under) from None
    return asked


async def _changed(kept: Kept, given: Mapping[str, Any], request: Request) -> RecurringExport:
    if not set(given) <= ALWAYS_CHANGEABLE:
        asked = await _asked({**kept.asked.as_body(), **given}, request, masked=kept.masked)
        return asked if "notify" in given else replace(asked, notify=kept.asked.notify)
    return replace(
        kept.asked,
        name=schedule_body.name_of(given) if "name" in given else kept.asked.name,
        enabled=schedule_body.flag(given, "enabled", kept.asked.enabled),
    )


async def _kept(schedule_id: str, request: Request) -> Kept:
    context, caller = context_of(request), caller_of(request)
    known = JOB_ID.fullmatch(schedule_id) is not None
    kept = await context.schedules.read(schedule_id.lower(), caller.name) if known else None
    if kept is None or not caller.may_see(kept.masked):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no recurring export with this id.")
    return kept


def _changeable(kept: Kept) -> Kept:
    if kept.read_only:
        detail = "This recurring export is kept in prefect.yaml, or was made in Prefect: change it there."
        raise Problem(HTTPStatus.CONFLICT, detail)
    return kept


def _shown(kept: Kept, context: Context, whole: bool = True) -> dict[str, Any]:
    """Of webhooks' addresses a list shows the host only."""
    secrets = context.settings.webhook_secrets if whole and kept.asked.notify else None
    notify = notify_body.shown(kept.asked.notify, secrets)
    return shown(kept, notify, datetime.now(UTC), context.settings.public_url)


def _cursor(place: int | None) -> str | None:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=") if place is not None else None


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not _PLACE.fullmatch(text):
        raise InvalidRequest.at("/cursor", "invalid", "The cursor is damaged.")
    return int(text)
