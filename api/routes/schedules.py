"""Endpoints that create, list, read, change, delete, preview and run schedules, and list their history."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from api.access import audit
from api.access.caller import Caller
from api.context import Context
from api.dependencies import (
    CallerDep,
    ContextDep,
    ReportsDep,
    ScheduleDep,
    get_caller,
    limit_previews,
    limit_schedule_rules,
)
from api.exports import list_query
from api.exports.answers import Export, ExportList
from api.exports.list_query import PageQuery
from api.routes import examples
from api.routes.export_state import full_states
from api.routes.json_route import JsonRoute
from api.routes.start_export import KeyDep, KeyHeader, Started, answer_start, read_key
from api.schedules.answers import (
    DeliveryList,
    PlannedRuns,
    Schedule,
    ScheduleList,
    runs_of_new_schedule,
    schedule_answer,
)
from api.schedules.body import (
    ALWAYS_CHANGEABLE,
    NewSchedule,
    ScheduleChange,
    SchedulePreview,
    parse_schedule,
    rename_or_pause,
)
from api.schedules.delivery_log import DeliveryLog
from api.schedules.deployment import StoredSchedule
from api.schedules.notify import Webhooks, webhook_answers
from api.schedules.spec import ScheduleSpec
from api.web import responses
from api.web.problems import Refusal
from api.web.queries import OffsetQuery, each_parameter_once, to_offset_cursor
from api.web.responses import refusals, with_headers
from api.web.validation import described_by, read_all
from flows import logs
from flows.errors import InvalidRequest
from flows.query.report import Report
from flows.query.request import ExportRequest
from flows.query.row_rights import intersect


async def no_store(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(
    prefix="/schedules",
    tags=["schedules"],
    route_class=JsonRoute,
    dependencies=[Depends(get_caller), Depends(each_parameter_once), Depends(no_store)],
)

NewBody = Annotated[Any, described_by(NewSchedule), Body(openapi_examples=examples.SCHEDULES)]
PreviewBody = Annotated[Any, described_by(SchedulePreview), Body(openapi_examples=examples.SCHEDULES)]
ChangeBody = Annotated[Any, described_by(ScheduleChange), Body(openapi_examples=examples.CHANGES)]
_CREATED = responses.LOCATION | responses.REPLAYED


@dataclass(frozen=True)
class ScheduleOrder:
    """A validated schedule with its request body and Idempotency-Key."""

    spec: ScheduleSpec
    body: Any
    key: str | None


async def get_schedule_order(
    request: Request, body: NewBody, reports: ReportsDep, context: ContextDep, key: KeyHeader = None
) -> ScheduleOrder:
    (spec, export), key = await asyncio.to_thread(
        read_all,
        lambda: parse_schedule(body, reports, datetime.now(UTC), _webhooks(context)),
        lambda: read_key(request),
    )
    await _check_in_database(export, context)
    return ScheduleOrder(spec, body, key)


@router.post(
    "",
    operation_id="createSchedule",
    summary="Create a schedule",
    status_code=HTTPStatus.CREATED,
    response_model=Schedule,
    response_description="The new schedule.",
    responses={
        **with_headers(201, _CREATED),
        **with_headers(200, _CREATED, model=Schedule, description="The existing schedule with the same key."),
        **refusals(*responses.START),
    },
    dependencies=[Depends(limit_schedule_rules)],
)
async def create_schedule(
    order: Annotated[ScheduleOrder, Depends(get_schedule_order)],
    caller: CallerDep,
    context: ContextDep,
    response: Response,
) -> Schedule:
    """Create a schedule and plan its first runs.

    Each run is an export whose `scheduleId` is the id of this schedule.
    """
    stored, replayed = await context.schedules.create(
        order.spec, caller, order.key, order.body, datetime.now(UTC)
    )
    audit.note(schedule=stored.id, replayed=replayed or None, **_audited(stored.spec))
    response.headers["Location"] = f"/schedules/{stored.id}"
    if replayed:
        response.status_code = HTTPStatus.OK
        response.headers["Idempotent-Replayed"] = "true"
    return await _answer(stored, context)


@router.get(
    "",
    operation_id="listSchedules",
    summary="List my schedules, newest first",
    response_model=ScheduleList,
    response_description="One page.",
    responses=refusals(400, 422),
)
async def list_schedules(
    query: Annotated[OffsetQuery, Query()], caller: CallerDep, context: ContextDep
) -> ScheduleList:
    """List the caller's schedules.

    Schedules defined in `prefect.yaml` are `readOnly`. The list shows only the hosts of webhook URLs.
    """
    schedules, next_offset = await context.schedules.page(caller, query.limit, query.cursor)
    items = [await _answer(schedule, context, whole_urls=False) for schedule in schedules]
    return ScheduleList(items=items, next_cursor=to_offset_cursor(next_offset))


@router.post(
    "/preview",
    operation_id="previewSchedule",
    summary="Preview the next runs and their dates",
    response_model=PlannedRuns,
    response_description="The next runs.",
    responses=refusals(*responses.START),
    dependencies=[Depends(limit_previews)],
)
async def preview_schedule(body: PreviewBody, reports: ReportsDep, context: ContextDep) -> PlannedRuns:
    """Return the next runs of a schedule without creating it. The name may be omitted."""
    now = datetime.now(UTC)
    spec, export = await asyncio.to_thread(
        parse_schedule, body, reports, now, _webhooks(context), needs_name=False
    )
    await _check_in_database(export, context)
    return PlannedRuns(runs=await asyncio.to_thread(runs_of_new_schedule, spec, now))


@router.get(
    "/{id:id}",
    operation_id="getSchedule",
    summary="Get a schedule",
    response_model=Schedule,
    response_description="The schedule.",
    responses=refusals(404),
)
async def read_schedule(schedule: ScheduleDep, context: ContextDep) -> Schedule:
    return await _answer(schedule, context)


@router.patch(
    "/{id:id}",
    operation_id="changeSchedule",
    summary="Change, pause or resume a schedule",
    response_model=Schedule,
    response_description="The schedule.",
    responses=refusals(404, 409, *responses.START),
)
async def change_schedule(
    body: ChangeBody, schedule: ScheduleDep, caller: CallerDep, context: ContextDep
) -> Schedule:
    """Change the fields that the body contains. `{"enabled": false}` pauses the schedule."""
    _check_changeable(schedule)
    audit.note(changed=sorted(body) if isinstance(body, dict) else None)
    spec = await _changed(schedule, body, caller, context)
    changed = await context.schedules.change(schedule, spec, caller.name, datetime.now(UTC))
    audit.note(**_audited(changed.spec))
    return await _answer(changed, context)


@router.delete(
    "/{id:id}",
    operation_id="deleteSchedule",
    summary="Delete a schedule",
    status_code=HTTPStatus.NO_CONTENT,
    response_description="Deleted.",
    responses=refusals(404, 409),
)
async def delete_schedule(schedule: ScheduleDep, context: ContextDep) -> None:
    """Delete the schedule. Its exports are kept."""
    _check_changeable(schedule)
    await context.schedules.remove(schedule)


@router.post(
    "/{id:id}/run",
    operation_id="runSchedule",
    summary="Run a schedule now",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Export,
    response_description="The new export.",
    responses={
        **with_headers(202, responses.STARTED),
        **with_headers(200, responses.STARTED, model=Export, description="The existing export."),
        **refusals(404, 415, 422, 429),
    },
)
async def run_schedule(
    schedule: ScheduleDep, key: KeyDep, caller: CallerDep, context: ContextDep, response: Response
) -> Export:
    """Start an export now, with the dates that a run scheduled for this moment would cover.

    This also works while the schedule is paused.
    """
    job, replayed = await context.schedules.run_now(schedule, caller, key, datetime.now(UTC))
    logs.bind(job=job.run.id)
    audit.note(job=job.run.id, export=job.run.request, replayed=replayed or None)
    if not replayed:
        context.watcher.watch(job, caller.name)
    return await answer_start(Started(job, replayed), context, caller, response)


@router.get(
    "/{id:id}/deliveries",
    operation_id="listDeliveries",
    summary="List the webhooks of a schedule, newest first",
    response_model=DeliveryList,
    response_description="One page.",
    responses=refusals(400, 404, 422),
)
async def list_deliveries(
    query: Annotated[OffsetQuery, Query()], schedule: ScheduleDep, caller: CallerDep, context: ContextDep
) -> DeliveryList:
    """List the webhook deliveries of a schedule, with their receivers, attempts and last responses."""
    log = DeliveryLog(context.server, context.run_reader)
    items, next_offset = await log.page(schedule.id, caller, query.limit, query.cursor)
    return DeliveryList(items=items, next_cursor=to_offset_cursor(next_offset))


@router.get(
    "/{id:id}/runs",
    operation_id="listRuns",
    summary="List the exports of a schedule, newest first",
    response_model=ExportList,
    response_description="One page.",
    responses=refusals(400, 404, 422),
)
async def list_runs(
    query: Annotated[PageQuery, Query()], schedule: ScheduleDep, caller: CallerDep, context: ContextDep
) -> ExportList:
    """List the schedule's exports in the format of `GET /exports`, excluding planned runs."""
    selected = list_query.ExportFilter(caller, deployment_id=schedule.deployment_id)
    position = query.cursor or list_query.first_position(datetime.now(UTC))
    jobs, next_position = await context.run_reader.page(selected, query.limit, position)
    return ExportList(
        items=await full_states(jobs, context, caller),
        next_cursor=list_query.encode(next_position) if next_position is not None else None,
    )


def _webhooks(context: Context) -> Webhooks:
    return Webhooks(context.settings.webhook_secrets, context.settings.private_webhook_hosts)


async def _check_in_database(export: ExportRequest, context: Context) -> None:
    try:
        await context.source.check_request(export)
    except InvalidRequest as error:
        errors = [replace(item, pointer=f"/export{item.pointer}") for item in error.errors]
        raise InvalidRequest(errors) from None


async def _changed(schedule: StoredSchedule, body: Any, caller: Caller, context: Context) -> ScheduleSpec:
    spec = schedule.spec
    if not isinstance(body, dict) or (set(body) <= ALWAYS_CHANGEABLE and body.get("name", "") is not None):
        return rename_or_pause(spec, body)
    await limit_schedule_rules(caller, context)
    reports = _reports_of(schedule, caller, context)
    whole = {**spec.as_body(), **body}
    changed, export = await asyncio.to_thread(
        parse_schedule, whole, reports, datetime.now(UTC), _webhooks(context)
    )
    await _check_in_database(export, context)
    return changed if "notify" in body else replace(changed, notify=spec.notify)


def _reports_of(schedule: StoredSchedule, caller: Caller, context: Context) -> Mapping[str, Report]:
    """Return the caller's reports, restricted by the rights of both the caller and the schedule."""
    claims = schedule.rights.claims if schedule.rights is not None else None
    reader = replace(
        caller,
        sees_pii=caller.sees_pii and not schedule.masked,
        claims=intersect(caller.claims, claims),
    )
    return context.catalog.permitted(reader)


def _audited(spec: ScheduleSpec) -> dict[str, Any]:
    """Return the schedule's definition for the audit log, with each webhook URL reduced to its host."""
    definition = spec.as_body()
    return {**definition, "notify": [webhook.host for webhook in spec.notify]}


def _check_changeable(schedule: StoredSchedule) -> None:
    if schedule.read_only:
        detail = "This schedule is defined in prefect.yaml or in Prefect. Change it there."
        raise Refusal(HTTPStatus.CONFLICT, detail)


async def _answer(schedule: StoredSchedule, context: Context, whole_urls: bool = True) -> Schedule:
    """Build the response for a schedule, including its next runs.

    Computing the next runs takes up to 0.2 s for a dense RRULE, so it is done in a thread.
    """
    secrets = context.settings.webhook_secrets if whole_urls and schedule.spec.notify else None
    notify = webhook_answers(schedule.spec.notify, secrets)
    return await asyncio.to_thread(
        schedule_answer, schedule, notify, datetime.now(UTC), context.settings.public_url
    )
