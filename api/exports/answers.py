"""Response models for exports."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.exports.job import MEANINGS, Job, Phase, Status, eta_seconds
from api.tables.answers import Column
from api.web.answer import Answer, Count, NextCursor, Timestamp, TimestampText, Uri, Uuid
from flows.errors import errors_by_code
from flows.query.report import DEFAULT_REPORT

# Error codes that an export can have in addition to those that `errors_by_code` returns.
_OTHER_CODES = ("request.invalid", "rows.none", "storage.lost", "cancelled", "expired")
_ID = "899e1228-d7b8-40fc-8490-70e6f1efb338"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_FILE_NAME = "survey-responses_668b6fa3b8d693cd865b44bb_2024-07-19_2024-07-26.csv"


class ExportRows(Answer):
    expected: Count | None = Field(examples=[417])
    written: Count = Field(examples=[175])


class ExportQueue(Answer):
    position: Count = Field(description="Number of the caller's exports that start before this one.")


class ExportFile(Answer):
    name: str = Field(examples=[_FILE_NAME])
    rows: Count = Field(examples=[417])
    bytes: Count = Field(examples=[90_183])
    sha256: str = Field(pattern="^[0-9a-f]{64}$", examples=[_SHA256])
    url: Uri = Field(description="Signed URL, which downloads the file without an API key.")
    url_expires_at: Timestamp
    expires_at: Timestamp = Field(description="Time when the file is removed.")


class ExportError(Answer):
    code: str = Field(json_schema_extra={"enum": [*errors_by_code(), *_OTHER_CODES]})
    retryable: bool = Field(description="Whether a retry may succeed.")
    message: str = Field(description="A message to show to users.")


class ExportLinks(Answer):
    """Links to an export and its actions. A link is null while its action is not possible."""

    self_: Uri = Field(alias="self")
    cancel: Uri | None
    retry: Uri | None
    download: Uri | None
    manifest: Uri | None


class Export(Answer):
    id: Uuid = Field(examples=[_ID])
    report: str = Field(examples=[DEFAULT_REPORT])
    name: str | None
    status: Status = Field(description=" ".join(f"`{name}`: {text}" for name, text in MEANINGS.items()))
    phase: Phase | None
    progress: int = Field(ge=0, le=100, description="Percentage, 100 once the file is stored and verified.")
    rows: ExportRows
    queue: ExportQueue
    eta_seconds: Count | None
    heartbeat_at: Timestamp | None
    snapshot_at: TimestampText | None
    time_zone: str = Field(examples=["UTC"])
    request: dict[str, Any] = Field(description="The request, including its dates.")
    attempt: Count
    file: ExportFile | None
    error: ExportError | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    schedule_id: str | None = Field(description="Id of the schedule that started this export.")
    retry_of: Uuid | None
    links: ExportLinks


class ExportList(Answer):
    items: list[Export]
    next_cursor: NextCursor


class DryRun(Answer):
    rows: Count
    estimated_bytes: Count = Field(description="Estimated size of the file.")
    file_name: str = Field(examples=[_FILE_NAME])
    columns: list[Column]
    sample: list[dict[str, Any]] = Field(description="The first rows, keyed by column.")
    lines: list[str] | None = Field(
        description="The header and the first five rows as lines of the uncompressed file, without a byte"
        " order mark. A line break within a cell starts a new line. Null if the file is not a text file.",
        examples=[["Response,Submitted at", "1,2024-07-19T08:00:00Z"]],
    )


class Manifest(Answer):
    id: Uuid = Field(examples=[_ID])
    request: dict[str, Any]
    attempt: Count
    name: str = Field(examples=[_FILE_NAME])
    snapshot_at: TimestampText
    rows: Count
    bytes: Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$", examples=[_SHA256])
    columns: list[dict[str, Any]] | None = Field(description="Columns of the file, or null if unknown.")


def export_answer(job: Job, base_url: str, file: ExportFile | None, position: int, now: datetime) -> Export:
    """Build the response of `GET /exports/{id}`.

    `position` is the number of the caller's exports that start before this one.
    """
    run, progress, error = job.run, job.progress, job.error
    return Export(
        id=run.id,
        report=run.report,
        name=run.request.get("name"),
        status=job.status,
        phase=job.phase,
        progress=job.percent,
        rows=ExportRows(expected=progress.expected, written=progress.written),
        queue=ExportQueue(position=position),
        eta_seconds=eta_seconds(job, now),
        heartbeat_at=progress.heartbeat_at,
        snapshot_at=progress.snapshot_at,
        time_zone=run.request.get("timeZone") or "UTC",
        request=dict(run.request),
        attempt=run.attempt,
        file=file,
        error=error and ExportError(code=error.code, retryable=error.retryable, message=error.message),
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        schedule_id=job.schedule_id,
        retry_of=job.retry_of,
        links=_links(job, f"{base_url}/exports/{run.id}"),
    )


def manifest_answer(job: Job, columns: list[dict[str, Any]] | None) -> Manifest:
    receipt = job.progress.receipt
    assert receipt is not None  # noqa: S101 - a job is done only with a receipt
    return Manifest(
        id=job.run.id,
        request=dict(job.run.request),
        attempt=receipt.attempt,
        name=receipt.name,
        snapshot_at=receipt.snapshot_at,
        rows=receipt.rows,
        bytes=receipt.bytes,
        sha256=receipt.sha256,
        columns=columns,
    )


def _links(job: Job, url: str) -> ExportLinks:
    done = job.status == "done"
    return ExportLinks(
        self_=url,
        cancel=None if job.finished else f"{url}/cancel",
        retry=f"{url}/retry" if job.finished else None,
        download=f"{url}/download" if done else None,
        manifest=f"{url}/manifest" if done else None,
    )
