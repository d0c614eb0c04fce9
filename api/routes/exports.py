"""Endpoints that start, list, read, cancel, retry, delete and download exports."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import SkipValidation

from api.access import audit
from api.access.caller import Caller
from api.context import Context
from api.dependencies import (
    CallerDep,
    ContextDep,
    ExportDep,
    ReportsDep,
    get_caller,
    get_export,
    limit_previews,
)
from api.exports import dry_run, list_query
from api.exports.answers import DryRun, Export, ExportList, Manifest, manifest_answer
from api.exports.flow_run_job import retry_tag
from api.exports.job import Job, poll_headers
from api.exports.list_query import ExportListQuery, Search, contains
from api.exports.prefer_wait import wait_seconds
from api.routes.export_state import full_state, full_states
from api.routes.json_route import JsonRoute
from api.routes.start_export import ExportOrder, ExportOrderDep, answer_start, start
from api.tables.languages import Languages, LanguagesDep
from api.web import responses
from api.web.ids import ExportId
from api.web.problems import Refusal
from api.web.queries import QueryModel, each_parameter_once
from api.web.responses import refusals, with_headers
from api.web.validation import validated
from flows.errors import ExportError
from flows.query.report import Report
from flows.query.request import parse_stored_request
from flows.runs.outcome import FILE_LOST

router = APIRouter(
    tags=["exports"], route_class=JsonRoute, dependencies=[Depends(get_caller), Depends(each_parameter_once)]
)
Prefer = Annotated[
    str,
    Header(
        alias="Prefer",
        description="`wait=20` delays the response until the state changes, for at most 20 seconds.",
    ),
]
IfNoneMatch = Annotated[
    str,
    Header(alias="If-None-Match", description="A previous `ETag`. The status is 304 if it still matches."),
]
MAX_SCHEDULES = 1000  # maximum number of schedules whose names are searched
logger = logging.getLogger(__name__)


class StartQuery(QueryModel):
    """Query parameters of `POST /exports`.

    `?dryRun=true` is the older form of `POST /exports/dry-run`. It is not in the OpenAPI document.
    """

    dry_run: Literal["true", "false"] = "false"


async def is_dry_run(request: Request, caller: CallerDep, context: ContextDep) -> bool:
    query = validated(StartQuery, dict(request.query_params), "Unknown parameter.")
    if query.dry_run == "true":
        await limit_previews(caller, context)
    return query.dry_run == "true"


@router.post(
    "/exports",
    operation_id="startExport",
    summary="Start an export",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Export,
    response_description="The new export.",
    responses={
        **with_headers(202, responses.STARTED),
        **with_headers(200, responses.STARTED, model=Export, description="The existing export."),
        **refusals(*responses.START),
    },
)
async def start_export(
    dry_run_only: Annotated[bool, Depends(is_dry_run)],
    order: ExportOrderDep,
    caller: CallerDep,
    context: ContextDep,
    languages: LanguagesDep,
    response: Response,
) -> Export | Response:
    """Start an export and return it with status 202.

    If an export with the same idempotency key exists, it is returned with status 200 instead. Without a key,
    an unfinished export with the same request is reused.
    """
    if dry_run_only:
        audit.note_preview()
        sample = await _preview(order, caller, context, languages)
        return JSONResponse(sample.model_dump(mode="json"))
    return await answer_start(await start(order, context, caller), context, caller, response)


@router.post(
    "/exports/dry-run",
    operation_id="previewExport",
    summary="Preview an export: row count, estimated size and first rows",
    response_model=DryRun,
    response_description="The preview.",
    responses=refusals(*responses.START),
    dependencies=[Depends(limit_previews)],
)
async def preview_export(
    order: ExportOrderDep, caller: CallerDep, context: ContextDep, languages: LanguagesDep
) -> DryRun:
    """Return the number of rows, the estimated size and the first rows without starting an export."""
    return await _preview(order, caller, context, languages)


async def _preview(order: ExportOrder, caller: Caller, context: Context, languages: Languages) -> DryRun:
    async with context.readers.reading(caller.name, order.request.report.database):
        return await dry_run.preview(order.request, context.source, languages)


async def get_list_query(
    query: Annotated[ExportListQuery, SkipValidation, Query()], reports: ReportsDep
) -> ExportListQuery:
    return validated(ExportListQuery, query, "Unknown parameter.", reports=reports)


@router.get(
    "/exports",
    operation_id="listExports",
    summary="List my exports, newest first",
    response_model=ExportList,
    response_description="One page.",
    responses=refusals(400, 422),
)
async def list_exports(
    query: Annotated[ExportListQuery, Depends(get_list_query)],
    reports: ReportsDep,
    caller: CallerDep,
    context: ContextDep,
    response: Response,
) -> ExportList:
    """List the caller's exports, newest first.

    Use `status`, `report`, `scheduleId` and `search` to filter the list.
    """
    response.headers["Cache-Control"] = "no-store"
    position = query.cursor or list_query.first_position(datetime.now(UTC))
    search = await _search(query.search, reports, caller, context) if query.search else None
    selected = replace(query.filter(caller), search=search)
    jobs, next_position = await context.run_reader.page(selected, query.limit, position)
    return ExportList(
        items=await full_states(jobs, context, caller),
        next_cursor=list_query.encode(next_position) if next_position is not None else None,
    )


async def _search(text: str, reports: Mapping[str, Report], caller: Caller, context: Context) -> Search:
    schedules, _ = await context.schedules.page(caller, MAX_SCHEDULES, 0)
    return Search(
        text,
        frozenset(name for name, report in reports.items() if contains(report.title, text)),
        frozenset(schedule.id for schedule in schedules if contains(schedule.spec.name, text)),
    )


@router.get(
    "/exports/{id:id}",
    operation_id="getExport",
    summary="Get the full state of an export",
    response_model=Export,
    response_description="The state of the export.",
    responses={
        **with_headers(200, responses.POLLED | responses.ETAG),
        **with_headers(304, responses.POLLED | responses.ETAG, description="Unchanged."),
        **refusals(404),
    },
)
async def read_export(
    export_id: ExportId,
    export: ExportDep,
    caller: CallerDep,
    context: ContextDep,
    prefer: Prefer = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Return the state of the export.

    With `Prefer: wait=20`, the response is delayed until the state changes or 20 seconds have passed.
    """
    if seconds := wait_seconds(prefer):
        await context.watcher.wait_for_change(export.job.run.id, seconds)
        export = await get_export(export_id, caller, context)
    state = await full_state(export.job, context, caller)
    body = state.model_dump_json().encode()
    stale = export.stale or context.watcher.is_stale(export.job)
    headers = poll_headers(export.job, datetime.now(UTC), stale)
    headers |= {"ETag": _etag(body), "Cache-Control": "no-cache"}
    if headers["ETag"] in if_none_match:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.post(
    "/exports/{id:id}/cancel",
    operation_id="cancelExport",
    summary="Cancel an export",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Export,
    response_description="The export is being cancelled.",
    responses={**with_headers(202, responses.LOCATION), **refusals(404, 409, 415)},
)
async def cancel_export(
    export_id: ExportId, export: ExportDep, caller: CallerDep, context: ContextDep, response: Response
) -> Export:
    """Cancel the export and its running database query. The export remains in the list."""
    job = export.job
    if job.finished or not await context.run_writer.cancel(job):
        raise Refusal(HTTPStatus.CONFLICT, "The export has already ended.")
    context.watcher.forget(job.run.id, caller.name)
    job = (await get_export(export_id, caller, context)).job
    response.headers.update({"Location": f"/exports/{job.run.id}", "Cache-Control": "no-store"})
    return await full_state(job, context, caller)


@router.post(
    "/exports/{id:id}/retry",
    operation_id="retryExport",
    summary="Start the same request again",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Export,
    response_description="The new export.",
    responses={
        **with_headers(202, responses.STARTED),
        **with_headers(200, responses.STARTED, model=Export, description="The existing export."),
        **refusals(404, 409, 415, 422, 429),
    },
)
async def retry_export(
    export: ExportDep, reports: ReportsDep, caller: CallerDep, context: ContextDep, response: Response
) -> Export:
    """Start a new export with the same request."""
    if not export.job.finished:
        raise Refusal(HTTPStatus.CONFLICT, "The export has not ended yet.")
    request = parse_stored_request(export.job.run.request, reports)
    await context.source.check_request(request)
    tags = [retry_tag(export.job.run.id)]
    started = await start(ExportOrder(request, None), context, caller, tags)
    return await answer_start(started, context, caller, response)


@router.delete(
    "/exports/{id:id}",
    operation_id="deleteExport",
    summary="Delete an export and its file",
    status_code=HTTPStatus.NO_CONTENT,
    response_description="Deleted.",
    responses=refusals(404),
)
async def delete_export(export: ExportDep, caller: CallerDep, context: ContextDep) -> None:
    """Delete the export and its file. A running export is cancelled first."""
    job = export.job
    await context.run_writer.mark_deleted(job)
    context.watcher.forget(job.run.id, caller.name)
    if job.finished:
        await _remove(job, context)


async def _remove(job: Job, context: Context) -> None:
    """Remove the file and the record of a job that is marked as deleted."""
    try:
        if job.progress.receipt is not None:
            await context.links.remove_file(job)
        await context.run_writer.delete_record(job, datetime.now(UTC))
    except (Refusal, ExportError) as error:
        logger.warning("export %s is deleted, but the sweep has to remove its file: %s", job.run.id, error)


@router.get(
    "/exports/{id:id}/download",
    operation_id="downloadExport",
    summary="Download the file",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    response_description="Redirect to the signed URL of the file.",
    responses={**with_headers(303, responses.LOCATION), **refusals(404, 409, 410)},
)
async def download_export(export: ExportDep, context: ContextDep) -> Response:
    """Redirect to the file through a signed URL that is created for this request."""
    job = _with_file(await context.files.check(export.job))
    link = await context.links.fresh_link_to(job)
    return RedirectResponse(link.url, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


@router.get(
    "/exports/{id:id}/manifest",
    operation_id="getManifest",
    summary="Download the manifest of the file",
    response_model=Manifest,
    response_description="The manifest.",
    responses={**with_headers(200, responses.ATTACHMENT), **refusals(404, 409, 410)},
)
async def read_manifest(export: ExportDep, context: ContextDep, response: Response) -> Manifest:
    """Return the export's request and snapshot time, and the file's row count, size, digest and columns."""
    job = _with_file(await context.files.check(export.job))
    manifest = manifest_answer(job, await context.run_reader.columns(job))
    response.headers["Content-Disposition"] = f'attachment; filename="{manifest.name}.manifest.json"'
    response.headers["Cache-Control"] = "no-store"
    return manifest


def _with_file(job: Job) -> Job:
    """Return the job if its file exists.

    Raises Refusal 410 if the file no longer exists, and Refusal 409 if the export has not produced a file.
    """
    if job.file_lost:
        raise Refusal(HTTPStatus.GONE, FILE_LOST.message)
    if job.status == "expired":
        raise Refusal(HTTPStatus.GONE, "The file has expired and was removed.")
    if job.status != "done":
        reason = job.error.message if job.error is not None else "The export is not finished yet."
        raise Refusal(HTTPStatus.CONFLICT, reason)
    return job


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
