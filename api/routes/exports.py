"""One export: its state, its file."""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response

from api.context import Context, context_of
from api.jobs import Job, poll_headers, state
from api.problems import Problem
from api.routes.reports import JOB_ID
from api.runs import LOCAL_CALLER
from api.watcher import Known
from flows.folder_storage import FolderStorage
from flows.storage import content_type

WAIT = re.compile(r"\bwait=(\d{1,4})\b", re.ASCII)
LONGEST_WAIT_SECONDS = 60

router = APIRouter(tags=["exports"])


@router.get("/exports/{job_id}", summary="The full state of an export")
async def read(job_id: str, request: Request) -> Response:
    """`Prefer: wait=20` answers when the state has changed, at the latest after so many seconds."""
    context = context_of(request)
    known = await _known(job_id, context)
    if seconds := _wait_seconds(request):
        await context.watcher.wait_for_change(known.job.run.id, seconds)
        known = await _known(job_id, context)
    job = known.job
    file = await _file(job, context) if job.status == "done" else None
    time_zone = str(job.run.request.get("timeZone") or "UTC")
    body = state(job, context.settings.public_url, time_zone, file)
    return JSONResponse(body, headers=poll_headers(job, datetime.now(UTC), known.stale))


@router.get("/exports/{job_id}/download", summary="Download the file", status_code=HTTPStatus.SEE_OTHER)
async def download(job_id: str, request: Request) -> Response:
    """Leads to a link that is signed at this moment."""
    context = context_of(request)
    job = (await _known(job_id, context)).job
    if job.status != "done":
        reason = job.error.message if job.error is not None else "The export is not finished yet."
        raise Problem(HTTPStatus.CONFLICT, reason)
    link = await context.links.fresh_link_to(job)
    return RedirectResponse(link.url, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


@router.get("/files/{job_id}/{name}", include_in_schema=False)
async def file(job_id: str, name: str, request: Request) -> Response:
    """What a signed link leads to when the storage is a folder."""
    context = context_of(request)
    if not isinstance(context.storage, FolderStorage):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
    given = request.query_params
    expires, disposition, signature = (
        given.get(part, "") for part in ("expires", "disposition", "signature")
    )
    try:
        key = f"{job_id}/{name}"
        path = context.storage.path_if_signed(key, expires, disposition, signature, datetime.now(UTC))
    except PermissionError as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    if not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return FileResponse(path, media_type=content_type(key), headers=headers)


async def _known(job_id: str, context: Context) -> Known:
    known = await context.watcher.read(job_id.lower(), LOCAL_CALLER) if JOB_ID.fullmatch(job_id) else None
    if known is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no export with this id.")
    return known


def _wait_seconds(request: Request) -> int:
    found = WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0


async def _file(job: Job, context: Context) -> dict[str, Any]:
    receipt = job.standing.receipt
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    link = await context.links.link_to(job)
    return {
        "name": receipt.name,
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "sha256": receipt.sha256,
        "url": link.url,
        "urlExpiresAt": link.expires_at.isoformat(),
    }
