"""Build the full state of exports, including the download link and the position in the queue."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from api.access.caller import Caller
from api.context import Context
from api.exports.answers import Export, ExportFile, export_answer
from api.exports.job import Job


async def full_state(job: Job, context: Context, caller: Caller) -> Export:
    position = await context.run_reader.waiting_before(job, caller.name) if job.status == "queued" else 0
    return await _state(job, context, position)


async def full_states(jobs: Sequence[Job], context: Context, caller: Caller) -> list[Export]:
    """Return the states of several exports, reading the queue only once."""
    is_queued = any(job.status == "queued" for job in jobs)
    waiting = await context.run_reader.waiting(caller.name) if is_queued else {}
    return [await _state(job, context, _position(job, waiting)) for job in jobs]


def _position(job: Job, waiting: Mapping[str, datetime]) -> int:
    if job.status != "queued":
        return 0
    return sum(due < job.run.created_at for run_id, due in waiting.items() if run_id != job.run.id)


async def _state(job: Job, context: Context, position: int) -> Export:
    file = await _file(job, context) if job.status == "done" else None
    return export_answer(job, context.settings.public_url, file, position, datetime.now(UTC))


async def _file(job: Job, context: Context) -> ExportFile:
    receipt, finished_at = job.progress.receipt, job.run.finished_at
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    assert finished_at is not None  # noqa: S101 - Prefect sets it when a run ends
    link = await context.links.link_to(job)
    return ExportFile(
        name=receipt.name,
        rows=receipt.rows,
        bytes=receipt.bytes,
        sha256=receipt.sha256,
        url=link.url,
        url_expires_at=link.expires_at,
        expires_at=finished_at + context.settings.retention,
    )
