"""The flow behind every export: fetch ▸ transform to CSV ▸ upload ▸ presign, block by block.

The tasks pull from each other, so memory is a few blocks however many rows there are. Prefect walks what
it is passed, which would drain a bare generator: Stream hides one. See architecture.md, decision 2.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import chain
from typing import Any
from uuid import UUID

from prefect import Flow, flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from sqlalchemy.pool import NullPool

from flows import logs
from flows.errors import (
    ExportError,
    Incomplete,
    Internal,
    InvalidRequest,
    NoRows,
    StorageUnavailable,
    Superseded,
)
from flows.formats import csv_chunks
from flows.formats.csv_header import header
from flows.formats.output_file import Packing
from flows.query.masking import mask_reports
from flows.query.request import ExportRequest, parse_request
from flows.reports import catalog
from flows.rows.columns import OutputColumn
from flows.rows.pandas_frames import transform_chunk
from flows.rows.pipeline import Block, Chunk, Opening, Records, Stream, ended
from flows.runs import artifacts, attempt_result, flow_names, summary_page
from flows.runs.attempt_result import AttemptResult
from flows.runs.progress import ProgressReporter
from flows.runs.receipt import Receipt
from flows.runs.retry_later import retry_later
from flows.schedules.after_run import follow_up_hook
from flows.schedules.parameters import parse_schedule_parameters
from flows.schedules.planned_range import resolve_request
from flows.settings import Settings
from flows.sources import choose
from flows.sources.snapshot import open_engine, snapshot
from flows.sources.sqlite import adbc_chunks
from flows.storage.from_url import open_storage
from flows.storage.protocol import Storage, Upload, content_disposition, object_key, storage_errors
from flows.storage.protocol import upload as whole_or_absent

CONNECT_SECONDS = 5
FIRST_PART_BYTES = 8 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """One attempt at one job: what was asked, and where it goes."""

    job_id: UUID
    attempt: int
    request: ExportRequest
    settings: Settings
    only_if_rows: bool = False

    def key(self, file_name: str) -> str:
        return object_key(str(self.job_id), self.attempt, file_name)

    @cached_property
    def storage(self) -> Storage:
        return open_storage(self.settings.storage_url, self.settings.public_url)


@dataclass(frozen=True, slots=True)
class Made:
    """A stored file, with what is left beside it in Prefect: its columns, and a page for operators."""

    receipt: Receipt
    columns: list[OutputColumn]
    first_rows: summary_page.FirstRows


def leave_page(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """After the run has completed: nobody who waits for the file waits for its page."""
    record: Any = state.data
    if state.name == NoRows.state_name:
        return
    with get_client(sync_client=True) as client:
        for kind, data in record.result:
            client.create_artifact(ArtifactCreate(type=kind, flow_run_id=flow_run.id, data=data))


@flow(
    name=flow_names.EXPORT,
    persist_result=False,
    validate_parameters=False,
    on_completion=[leave_page, follow_up_hook],
    on_failure=[follow_up_hook],
)
def export_report(
    request: dict[str, Any], recurring: dict[str, Any] | None = None, mask_pii: bool = False
) -> State[Any]:
    """Makes the file that `request` asks for; the body is that of `POST /exports`.

    `recurring` makes it a run of a recurring export: its days are told from the time it was planned for.
    `mask_pii`: for somebody who may not see what is about a person.
    """
    settings = Settings()
    job_id, attempt, report = UUID(flow_run.id), flow_run.run_count, ""
    logs.bind_run(settings.log_format, job=str(job_id))
    try:
        only_if_rows = False
        if recurring is not None:
            request = resolve_request(job_id, request, recurring)
            only_if_rows = parse_schedule_parameters(recurring).only_if_rows
        reports = catalog(settings.catalog_modules)
        parsed = parse_request(request, mask_reports(reports) if mask_pii else reports)
        report = parsed.report.name
        export = Export(job_id, attempt, parsed, settings, only_if_rows)
        made = _make_file(export)
    except Superseded as error:
        raise Abort from error
    except NoRows as found:
        attempt_result.record(AttemptResult(report, found.state_name))
        return Completed(name=found.state_name, message=str(found))
    except InvalidRequest as error:
        attempt_result.record(AttemptResult(report, "request.invalid"))
        return Failed(name="request.invalid", message=str(error))
    except Exception as error:  # noqa: BLE001 - every failure ends in a stable code
        failure = _classified(error)
        attempt_result.record(AttemptResult(report, failure.code))
        if failure.retryable and attempt < settings.attempts:
            pause = timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1))
            retry_later(job_id, f"{failure.code}: {failure}", pause, datetime.now(UTC))
        return Failed(name=failure.code, message=str(failure))
    attempt_result.record(AttemptResult(report, "done", made.receipt.rows, made.receipt.bytes))
    told = f"{made.receipt.rows:,} rows, {made.receipt.bytes:,} bytes"
    return Completed(message=told, data=_left_beside(made, export))


def _left_beside(made: Made, export: Export) -> list[tuple[str, object]]:
    """Types and contents of the artifacts."""
    download_url = f"{export.settings.public_url}/exports/{export.job_id}/download"
    columns = [{"key": each.key, "label": each.label, "type": each.type} for each in made.columns]
    page = summary_page.markdown(export.request, made.receipt, made.first_rows, download_url)
    return [(artifacts.COLUMNS, columns), ("markdown", page)]


def _make_file(export: Export) -> Made:
    with (
        get_client(sync_client=True) as client,
        ProgressReporter(client, export.job_id, export.attempt) as progress,
        ended(fetch(export)) as fetched,
    ):
        batches = _if_rows(fetched) if export.only_if_rows else fetched
        with ended(transform_to_csv(Stream(batches), export)) as blocks:
            made = upload(Stream(blocks), export, progress)
        with _removed_on_failure(export, made.receipt):
            presign(export, made.receipt)
            progress.finish(made.receipt)
    return made


def _if_rows(batches: Iterator[Opening | Records | Chunk]) -> Iterator[Opening | Records | Chunk]:
    opening = next(batches)
    if isinstance(opening, Opening) and opening.expected == 0:
        for _ in batches:  # so that the task ends as one that has done its work
            pass
        raise NoRows
    return chain([opening], batches)


@contextmanager
def _removed_on_failure(export: Export, receipt: Receipt) -> Iterator[None]:
    """A file that no receipt leads to would lie in the storage for nobody."""
    try:
        yield
    except BaseException:
        try:
            with storage_errors():
                export.storage.remove(export.key(receipt.name))
        except ExportError:
            logger.warning("the file of a failed attempt could not be removed; the sweep will")
        raise


@task(persist_result=False)
def fetch(export: Export) -> Generator[Opening | Records | Chunk, None, None]:
    """The report's rows, all of one snapshot."""
    settings, request = export.settings, export.request
    engine = open_engine(settings.database_url.get_secret_value(), CONNECT_SECONDS, poolclass=NullPool)
    zone, seconds, silence = request.zone.key, settings.statement_seconds, settings.silence_seconds
    clock = partial(datetime.now, UTC)
    with snapshot(engine, zone, seconds, clock, silence) as taken:
        opening = choose.opening(taken, request, settings.rows_per_export)
        if adbc_chunks.can_read(taken, request, opening.read, opening.expected):
            with adbc_chunks.shared(taken, clock) as shared:
                opening = choose.opening(shared.snapshot, request, settings.rows_per_export)
                yield opening
                yield from adbc_chunks.fetch(shared, request, opening.read, opening.expected)
        else:
            yield opening
            yield from choose.rows(taken, request, opening)


@task(persist_result=False)
def transform_to_csv(
    batches: Stream[Opening | Records | Chunk], export: Export
) -> Generator[Opening | Block, None, None]:
    """The rows as the bytes that the file will hold."""
    request, report = export.request, export.request.report
    columns: list[OutputColumn] = []
    read: list[OutputColumn] = []
    for batch in batches:
        if isinstance(batch, Opening):
            columns, read = batch.columns, batch.read
            yield batch
        elif isinstance(batch, Records):
            yield Block(batch.rows, batch.data)
        else:
            chunk = transform_chunk(batch, read, report.transform, request.zone, report.file)
            data = csv_chunks.to_csv(
                chunk.first_columns(len(columns)), columns, request.zone, request.dialect
            )
            yield Block(batch.rows, data)


@task(persist_result=False)
def upload(blocks: Stream[Opening | Block], export: Export, progress: ProgressReporter) -> Made:
    """Stores the file whole; rows that are missing or too many leave nothing behind."""
    coming, request = iter(blocks), export.request
    opening = next(coming)
    assert isinstance(opening, Opening)  # noqa: S101 - fetch begins with it
    progress.start(opening.expected, opening.snapshot_at)
    rows, first = 0, b""
    name = request.file_name(opening.expected)
    with whole_or_absent(export.storage, export.key(name)) as made, _packing(request, opening) as packing:
        for block in coming:
            assert isinstance(block, Block)  # noqa: S101 - there is one opening
            for stored in packing.add(block.rows, block.data):
                made.write(stored)
            rows += block.rows
            first = first or block.data
            progress.reach(rows * _kept_bytes(made, packing) // max(1, packing.bytes))
        if rows != opening.expected:
            raise Incomplete
        for stored in packing.finish():
            made.write(stored)
        progress.check_current()
        made.commit()
        progress.reach(rows)
    receipt = Receipt(
        attempt=export.attempt,
        name=name,
        rows=rows,
        bytes=packing.bytes,
        sha256=packing.sha256,
        snapshot_at=opening.snapshot_at.isoformat(),
    )
    return Made(receipt, opening.columns, summary_page.first_rows(first, opening.columns, request.dialect))


def _kept_bytes(made: Upload, packing: Packing) -> int:
    """What is stored; the beginning counts as such, for a file of one part is stored in one go."""
    return max(made.stored, min(packing.bytes, FIRST_PART_BYTES))


def _packing(request: ExportRequest, opening: Opening) -> Packing:
    top = header(opening.columns, request.zone, request.dialect)
    return Packing(request.dialect, top, request.file_stem, opening.expected)


@task(persist_result=False)
def presign(export: Export, receipt: Receipt) -> None:
    """Proves that a signed link to the file answers with all of it; the link itself is thrown away."""
    with storage_errors():
        disposition = content_disposition(receipt.name)
        link = export.storage.sign(
            export.key(receipt.name), disposition, export.settings.link_seconds, datetime.now(UTC)
        )
        if export.storage.link_size(link) != receipt.bytes:
            raise StorageUnavailable


def _classified(error: Exception) -> ExportError:
    if isinstance(error, ExportError):
        return error
    logger.error("the export failed in a way that has no code of its own", exc_info=error)
    return Internal()
