"""Dependencies of routes: the context, the caller, and what the caller may use.

Rights are enforced here, and for polls in routes/article.py: a route that takes a ReportsDep, an ExportDep
or a ScheduleDep gets only reports, exports and schedules that the caller may see.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from api.access.caller import Caller
from api.context import Context
from api.exports.poll_watcher import CachedJob
from api.schedules.deployment import StoredSchedule
from api.web.ids import ExportId, ScheduleId, is_id
from api.web.problems import Refusal
from flows import logs
from flows.query.report import Report


def authenticate(request: Request) -> Caller:
    """Return the caller; raise Refusal 401 for a key or token that is missing or not valid."""
    context: Context = request.app.state.context
    caller = context.authentication.caller(request.headers.getlist("authorization"))
    logs.bind(caller=caller.name)
    return caller


async def get_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def get_caller(request: Request) -> Caller:
    return authenticate(request)


ContextDep = Annotated[Context, Depends(get_context)]
CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_reports(caller: CallerDep, context: ContextDep) -> Mapping[str, Report]:
    """Return the reports that exist for the caller, with the columns masked that they may not see."""
    return context.catalog.permitted(caller)


async def get_export(export_id: ExportId, caller: CallerDep, context: ContextDep) -> CachedJob:
    """Return the export of the path. Raise Refusal 404 alike for an unknown id and another caller's."""
    cached = await context.watcher.read(export_id.lower(), caller.name) if is_id(export_id) else None
    if cached is None or not caller.may_see(cached.job.run.masked):
        raise Refusal(HTTPStatus.NOT_FOUND, "No export has this id.")
    logs.bind(job=cached.job.run.id)
    return cached


async def get_schedule(schedule_id: ScheduleId, caller: CallerDep, context: ContextDep) -> StoredSchedule:
    """Return the schedule of the path. Raise Refusal 404 alike for an unknown id and another caller's."""
    store = context.schedules
    schedule = await store.read(schedule_id.lower(), caller.name) if is_id(schedule_id) else None
    if schedule is None or not caller.may_see(schedule.masked):
        raise Refusal(HTTPStatus.NOT_FOUND, "No schedule has this id.")
    return schedule


ReportsDep = Annotated[Mapping[str, Report], Depends(get_reports)]
ExportDep = Annotated[CachedJob, Depends(get_export)]
ScheduleDep = Annotated[StoredSchedule, Depends(get_schedule)]
