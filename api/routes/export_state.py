"""A job as `GET /exports/{id}` tells of it: with its file's link, and its place in the queue."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from api.access.caller import Caller
from api.context import Context
from api.exports.job import Job, state
from api.routes.start_export import Started


async def answer(started: Started, context: Context, caller: Caller) -> JSONResponse:
    """To a start: 202 with the new job; 200 with the earlier one that it replays, as that stands by now."""
    job = started.job
    if started.replayed and (known := await context.watcher.read(job.run.id, caller.name)) is not None:
        job = known.job
    status = HTTPStatus.OK if started.replayed else HTTPStatus.ACCEPTED
    return JSONResponse(await full_state(job, context, caller), status, started.headers)


async def full_state(job: Job, context: Context, caller: Caller) -> dict[str, Any]:
    position = await context.reader.waiting_before(job, caller.name) if job.status == "queued" else 0
    return await _state(job, context, position)


async def full_states(jobs: Sequence[Job], context: Context, caller: Caller) -> list[dict[str, Any]]:
    """With one read of the queue for all of them."""
    is_queued = any(job.status == "queued" for job in jobs)
    waiting = await context.reader.waiting(caller.name) if is_queued else {}
    return [await _state(job, context, _position(job, waiting)) for job in jobs]


def _position(job: Job, waiting: Mapping[str, datetime]) -> int:
    if job.status != "queued":
        return 0
    return sum(due < job.run.created_at for run_id, due in waiting.items() if run_id != job.run.id)


async def _state(job: Job, context: Context, position: int) -> dict[str, Any]:
    file = await _file(job, context) if job.status == "done" else None
    return state(job, context.settings.public_url, file, position, datetime.now(UTC))


async def _file(job: Job, context: Context) -> dict[str, Any]:
    receipt, finished_at = job.progress.receipt, job.run.finished_at
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    assert finished_at is not None  # noqa: S101 - a job is done only when it has ended
    link = await context.links.link_to(job)
    return {
        "name": receipt.name,
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "sha256": receipt.sha256,
        "url": link.url,
        "urlExpiresAt": link.expires_at.isoformat(),
        "expiresAt": (finished_at + context.settings.retention).isoformat(),
    }
