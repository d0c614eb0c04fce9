"""FastAPI dependencies for the context, the caller and the resources that the caller may access.

All permission checks are here. Routes use ReportsDep, ExportDep and ScheduleDep, which return only the
reports, exports and schedules that the caller may see.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from api.access import audit
from api.access.caller import Caller
from api.context import Context
from api.exports.poll_watcher import CachedJob
from api.schedules.deployment import StoredSchedule
from api.web.ids import ExportId, ScheduleId, is_id
from api.web.problems import Refusal
from flows import logs
from flows.query.report import Report


def authenticate(request: Request) -> Caller:
    """Return the caller of the request.

    Raises Refusal 401 if the API key or token is missing or not valid.
    """
    context = _context(request)
    caller = context.authentication.caller(request.headers.getlist("authorization"))
    logs.bind(caller=caller.name)
    audit.note(caller=caller.name, key=caller.key_id, claims=caller.claims)
    return caller


async def get_context(request: Request) -> Context:
    return _context(request)


def _context(request: Request) -> Context:
    context: Context | None = getattr(request.app.state, "context", None)
    if context is None:
        raise RuntimeError(
            "Report Exports has not been started. If it is mounted in another application, enter the context"
            " manager `lifespan()` of the mounted application in the lifespan of the other one."
        )
    return context


async def get_caller(request: Request) -> Caller:
    return authenticate(request)


ContextDep = Annotated[Context, Depends(get_context)]
CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_reports(caller: CallerDep, context: ContextDep) -> Mapping[str, Report]:
    """Return the reports that the caller may use. Personal data is masked if the caller may not see it."""
    return context.catalog.permitted(caller)


async def limit_previews(caller: CallerDep, context: ContextDep) -> None:
    """Count a dry run or a schedule preview against the caller's limit.

    Raises LimitReached if the caller has already reached the limit.
    """
    context.limits.previews.spend(caller.name)


async def limit_schedule_rules(caller: CallerDep, context: ContextDep) -> None:
    """Count the validation of a schedule against the caller's limit, even if the schedule is invalid.

    Raises LimitReached if the caller has already reached the limit.
    """
    context.limits.rules.spend(caller.name)


async def get_export(export_id: ExportId, caller: CallerDep, context: ContextDep) -> CachedJob:
    """Return the export with the id in the path.

    Raises Refusal 404 if the export does not exist, belongs to another caller, or is not covered by the
    caller's key or token. The response is the same in all three cases.
    """
    export = await find_export(export_id, caller, context)
    if export is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "No export has this id.")
    return export


async def find_export(export_id: str, caller: Caller, context: Context) -> CachedJob | None:
    """Return the export, or None if it does not exist or the caller may not see it."""
    export = await context.watcher.read(export_id.lower(), caller.name) if is_id(export_id) else None
    if export is None or not context.catalog.covers(caller, export.job.run):
        return None
    logs.bind(job=export.job.run.id)
    audit.note(job=export.job.run.id, export=export.job.run.request)
    return export


async def get_schedule(schedule_id: ScheduleId, caller: CallerDep, context: ContextDep) -> StoredSchedule:
    """Return the schedule with the id in the path.

    Raises Refusal 404 if the schedule does not exist, belongs to another caller, or is not covered by the
    caller's key or token. The response is the same in all three cases.
    """
    store = context.schedules
    schedule = await store.read(schedule_id.lower(), caller.name) if is_id(schedule_id) else None
    if schedule is None or not context.catalog.covers(caller, schedule):
        raise Refusal(HTTPStatus.NOT_FOUND, "No schedule has this id.")
    audit.note(schedule=schedule.id, export=schedule.spec.export)
    return schedule


ReportsDep = Annotated[Mapping[str, Report], Depends(get_reports)]
ExportDep = Annotated[CachedJob, Depends(get_export)]
ScheduleDep = Annotated[StoredSchedule, Depends(get_schedule)]
