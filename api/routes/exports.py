"""Exports as resources: start, list, read, cancel, retry, delete, download."""

import hashlib
import logging
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from api.access.caller import Caller
from api.context import Context, caller_of, context_of
from api.exports import dry_run, list_query
from api.exports.flow_run_job import retry_tag
from api.exports.job import Job, poll_headers
from api.exports.poll_watcher import Known
from api.exports.prefer_wait import wait_seconds
from api.openapi import operations
from api.routes import start_export
from api.routes.export_state import answer, full_state, full_states
from api.web.ids import JOB_ID
from api.web.problems import Problem
from flows import logs

router = APIRouter(tags=["exports"])
audit = logging.getLogger("report_exports.audit")


@router.post(
    "/exports",
    operation_id="startExport",
    summary="Start an export",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=operations.START_EXPORT,
)
async def start(request: Request) -> Response:
    """202 with the job's state; 200 when an earlier one answers. `dryRun=true` starts nothing: it tells the
    number of rows, the estimated size and the first rows."""
    context, caller = context_of(request), caller_of(request)
    if dry_run.is_dry_run(request.query_params.multi_items()):
        start_export.idempotency_key(request)
        return JSONResponse(
            await dry_run.preview(await start_export.asked(request, context, caller), context.source)
        )
    return await answer(await start_export.from_body(request, context, caller), context, caller)


@router.get(
    "/exports",
    operation_id="listExports",
    summary="My exports, newest first",
    openapi_extra=operations.LIST_EXPORTS,
)
async def list_exports(request: Request) -> Response:
    """`status`, `report` and `scheduleId` narrow the list; `nextCursor` leads to the next page."""
    context, caller = context_of(request), caller_of(request)
    asked = list_query.parse(
        request.query_params.multi_items(), caller.permitted(context.reports), caller, datetime.now(UTC)
    )
    jobs, place = await context.reader.page(asked.wanted, asked.limit, asked.place)
    body = {
        "items": await full_states(jobs, context, caller),
        "nextCursor": list_query.encode(place) if place is not None else None,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get(
    "/exports/{job_id}",
    operation_id="getExport",
    summary="The full state of an export",
    openapi_extra=operations.GET_EXPORT,
)
async def read(job_id: str, request: Request) -> Response:
    """`Prefer: wait=20` answers when the state has changed, at the latest after so many seconds."""
    context, caller = context_of(request), caller_of(request)
    known = await _known(job_id, context, caller)
    if seconds := wait_seconds(request.headers.get("prefer", "")):
        await context.watcher.wait_for_change(known.job.run.id, seconds)
        known = await _known(job_id, context, caller)
    body = JSONResponse(await full_state(known.job, context, caller))
    headers = poll_headers(known.job, datetime.now(UTC), known.stale)
    headers |= {"ETag": _etag(bytes(body.body)), "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body.headers.update(headers)
    return body


@router.post(
    "/exports/{job_id}/cancel",
    operation_id="cancelExport",
    summary="Stop an export",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=operations.CANCEL_EXPORT,
)
async def cancel(job_id: str, request: Request) -> Response:
    """Ends the database's query too; the record stays."""
    context, caller = context_of(request), caller_of(request)
    job = (await _known(job_id, context, caller)).job
    if job.finished or not await context.runs.cancel(job):
        raise Problem(HTTPStatus.CONFLICT, "The export has already ended.")
    context.watcher.forget(job.run.id)
    job = (await _known(job_id, context, caller)).job
    headers = {"Location": f"/exports/{job.run.id}", "Cache-Control": "no-store"}
    return JSONResponse(await full_state(job, context, caller), HTTPStatus.ACCEPTED, headers)


@router.post(
    "/exports/{job_id}/retry",
    operation_id="retryExport",
    summary="The same request again",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=operations.RETRY_EXPORT,
)
async def retry(job_id: str, request: Request) -> Response:
    """A new job with an id of its own."""
    context, caller = context_of(request), caller_of(request)
    job = (await _known(job_id, context, caller)).job
    if not job.finished:
        raise Problem(HTTPStatus.CONFLICT, "The export still goes on.")
    started = await start_export.again(dict(job.run.request), context, caller, [retry_tag(job.run.id)])
    return await answer(started, context, caller)


@router.delete(
    "/exports/{job_id}",
    operation_id="deleteExport",
    summary="Remove an export and its file",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=operations.DELETE_EXPORT,
)
async def delete(job_id: str, request: Request) -> Response:
    """An export that still goes on is stopped first."""
    context, caller = context_of(request), caller_of(request)
    job = (await _known(job_id, context, caller)).job
    if job.progress.receipt is not None:
        await context.links.remove_file(job)
    await context.runs.forget(job)
    context.watcher.forget(job.run.id)
    audit.info("deleted job=%s caller=%s", job.run.id, caller.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/exports/{job_id}/download",
    operation_id="downloadExport",
    summary="Download the file",
    status_code=HTTPStatus.SEE_OTHER,
    openapi_extra=operations.DOWNLOAD_EXPORT,
)
async def download(job_id: str, request: Request) -> Response:
    """Leads to a link that is signed at this moment."""
    context, caller = context_of(request), caller_of(request)
    job = _with_file((await _known(job_id, context, caller)).job)
    link = await context.links.fresh_link_to(job)
    audit.info("download job=%s caller=%s", job.run.id, caller.name)
    return RedirectResponse(link.url, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


@router.get(
    "/exports/{job_id}/manifest",
    operation_id="getManifest",
    summary="What the file holds, as a file",
    openapi_extra=operations.GET_MANIFEST,
)
async def manifest(job_id: str, request: Request) -> Response:
    """The receipt: request, snapshot, rows, bytes, SHA-256, columns."""
    context, caller = context_of(request), caller_of(request)
    job = _with_file((await _known(job_id, context, caller)).job)
    receipt = job.progress.receipt
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    body = {
        "id": job.run.id,
        "request": dict(job.run.request),
        "attempt": receipt.attempt,
        "name": receipt.name,
        "snapshotAt": receipt.snapshot_at,
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "sha256": receipt.sha256,
        "columns": await context.reader.columns(job),
    }
    disposition = f'attachment; filename="{receipt.name}.manifest.json"'
    return JSONResponse(body, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"})


def _with_file(job: Job) -> Job:
    if job.status == "expired":
        raise Problem(HTTPStatus.GONE, "The file has been removed after its retention.")
    if job.status != "done":
        reason = job.error.message if job.error is not None else "The export is not finished yet."
        raise Problem(HTTPStatus.CONFLICT, reason)
    return job


async def _known(job_id: str, context: Context, caller: Caller) -> Known:
    known = await context.watcher.read(job_id.lower(), caller.name) if JOB_ID.fullmatch(job_id) else None
    if known is None or not caller.may_see(known.job.run.masked):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no export with this id.")
    logs.bind(job=known.job.run.id)
    return known


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
