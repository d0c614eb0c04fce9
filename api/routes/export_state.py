"""Build the full state of exports, including the download link and the position in the queue."""

from collections.abc import Sequence
from datetime import UTC, datetime

from api.access import audit
from api.access.caller import Caller
from api.context import Context
from api.exports.answers import Export, ExportFile, export_answer
from api.exports.job import Job
from api.exports.queue_positions import position_in


async def full_state(job: Job, context: Context, caller: Caller) -> Export:
    """Check whether the export's file still exists, and return the full state of the export."""
    job = await context.files.check(job)
    return await _state(job, context, await context.watcher.position(job, caller.name))


async def full_states(jobs: Sequence[Job], context: Context, caller: Caller) -> list[Export]:
    """Return the states of several exports. The queue is read only once, and files are not checked."""
    jobs = [context.files.as_last_checked(job) for job in jobs]
    is_queued = any(job.status == "queued" for job in jobs)
    waiting = await context.run_reader.waiting(caller.name) if is_queued else {}
    return [await _state(job, context, position_in(waiting, job)) for job in jobs]


async def _state(job: Job, context: Context, position: int) -> Export:
    file = await _file(job, context) if job.status == "done" else None
    return export_answer(job, context.settings.public_url, file, position, datetime.now(UTC))


async def _file(job: Job, context: Context) -> ExportFile:
    receipt, finished_at = job.progress.receipt, job.run.finished_at
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    assert finished_at is not None  # noqa: S101 - Prefect sets it when a run ends
    link = await context.links.link_to(job)
    audit.note_link(job.run.id)
    return ExportFile(
        name=receipt.name,
        rows=receipt.rows,
        bytes=receipt.bytes,
        sha256=receipt.sha256,
        url=link.url,
        url_expires_at=link.expires_at,
        expires_at=finished_at + context.settings.retention,
    )
