"""Export a report in a flow with four tasks: fetch, transform to CSV, upload and presign.

The tasks pull blocks from each other, so memory holds only a few blocks, regardless of the number of rows.
Prefect would exhaust the generators, so `Stream` hides them from Prefect.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import chain
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort
from prefect.runtime import flow_run

from flows import audit, logs
from flows.access.withdrawal import readable_reports
from flows.errors import (
    ExportError,
    Incomplete,
    Internal,
    InvalidRequest,
    NoRows,
    StorageUnavailable,
    Superseded,
)
from flows.formats.csv.chunks import to_csv
from flows.formats.csv.options import PRESETS
from flows.formats.output_file import OutputFile
from flows.formats.protocol import Output
from flows.query.masking import mask_reports
from flows.query.request import ExportRequest, parse_stored_request
from flows.query.row_rights import parse_rights, session_settings
from flows.reports import catalog
from flows.rows.columns import OutputColumn
from flows.rows.pipeline import Block, Chunk, FirstRows, Opening, Records, Stream, ended
from flows.rows.transform import transform_chunk
from flows.run_pages import export_urls, leave_failure_page, leave_page
from flows.runs import attempt_result, final_states, flow_names, summary_page
from flows.runs.attempt_result import AttemptResult
from flows.runs.progress import ProgressReporter
from flows.runs.receipt import Receipt
from flows.runs.retry_later import retry_later
from flows.runs.run_name import ensure_named
from flows.runs.tags import SCHEDULE, owner_from_tags, tag_value
from flows.schedules.after_run import follow_up_hook
from flows.schedules.parameters import parse_schedule_parameters
from flows.schedules.planned_range import resolve_request
from flows.settings import Settings
from flows.sources import choose
from flows.sources.origin import UNKNOWN, Origin
from flows.sources.protocol import Reading
from flows.sources.shared_engines import shared_engine
from flows.sources.snapshot import snapshot
from flows.storage.from_url import open_storage
from flows.storage.protocol import Storage, Upload, content_disposition, object_key, storage_errors
from flows.storage.protocol import upload as whole_or_absent

CONNECT_SECONDS = 5
FIRST_PART_BYTES = 8 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """One attempt at a job, together with its request and settings."""

    job_id: UUID
    attempt: int
    request: ExportRequest
    settings: Settings
    only_if_rows: bool = False
    origin: Origin = UNKNOWN

    def key(self, file_name: str) -> str:
        return object_key(str(self.job_id), self.attempt, file_name)

    @cached_property
    def storage(self) -> Storage:
        settings = self.settings
        return open_storage(settings.storage_url, settings.public_url, settings.silence_seconds)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file and the data for the run's page in Prefect."""

    receipt: Receipt
    columns: list[OutputColumn]
    first_rows: summary_page.FirstRows


@flow(
    name=flow_names.EXPORT,
    persist_result=False,
    validate_parameters=False,
    on_completion=[leave_page, follow_up_hook],
    on_failure=[leave_failure_page, follow_up_hook],
)
def export_report(
    request: dict[str, Any],
    recurring: dict[str, Any] | None = None,
    mask_pii: bool = False,
    rights: dict[str, Any] | None = None,
) -> State[Any]:
    """Export the report that the request describes. The Prefect UI shows these parameter descriptions.

    Args:
        request: The body of `POST /exports`: {"report": "orders", "from": "2024-07-01", "to": "2024-07-31"}.
        recurring: Leave empty. Schedules use this parameter to compute the dates of the request.
        mask_pii: Whether to mask columns with personal data.
        rights: Leave empty to export all rows. The API sets this to the rows that the caller may see.
    """
    settings = Settings()
    job_id, attempt, report = UUID(flow_run.id), flow_run.run_count, ""
    logs.bind_run(settings.log_format, job=str(job_id))
    ensure_named(job_id, flow_run.name, request)
    try:
        only_if_rows = False
        if recurring is not None:
            request = resolve_request(job_id, request, recurring, datetime.now(UTC))
            only_if_rows = parse_schedule_parameters(recurring).only_if_rows
        reports = catalog(settings.catalog_modules, settings.default_report)
        visible = mask_reports(reports) if mask_pii else reports
        caller = owner_from_tags(flow_run.tags)
        readable = readable_reports(visible, request, parse_rights(rights), caller, settings.keys_file)
        parsed = parse_stored_request(request, readable)
        if recurring is not None and attempt == 1:
            run = {"job": str(job_id), "schedule": tag_value(flow_run.tags, SCHEDULE), "export": request}
            audit.record("export.start", "done", caller=caller, **run)
        report = parsed.report.name
        export = Export(job_id, attempt, parsed, settings, only_if_rows, Origin(report, str(job_id), caller))
        stored_file = _make_file(export)
    except Superseded as error:
        raise Abort from error
    except NoRows as reason:
        return _without_file(job_id, report, reason.code, final_states.no_rows(reason))
    except InvalidRequest as error:
        state = final_states.failed("request.invalid", str(error))
        return _without_file(job_id, report, "request.invalid", state)
    except Exception as error:  # noqa: BLE001 - every failure gets a stable code
        failure = _classified(error)
        attempt_result.record(AttemptResult(report, failure.code))
        if failure.retryable and attempt < settings.attempts:
            delay = timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1))
            retry_later(job_id, attempt, f"{failure.code}: {failure}", delay, datetime.now(UTC))
        return _without_file(job_id, report, failure.code, final_states.failed(failure.code, str(failure)))
    receipt = stored_file.receipt
    attempt_result.record(AttemptResult(report, "done", receipt.rows, receipt.bytes))
    message = f"{receipt.rows:,} rows, {receipt.bytes:,} bytes"
    return final_states.completed(message, _page(stored_file, export), export.key(receipt.name))


def _without_file(job_id: UUID, report: str, code: str, state: State[Any]) -> State[Any]:
    attempt_result.record(AttemptResult(report, code))
    final_states.tag_with_code(job_id, flow_run.tags, code)
    return state


def _page(file: StoredFile, export: Export) -> str:
    request, url = export.request, export.settings.public_url
    urls = export_urls(url, str(export.job_id), request.report.name, flow_run.tags, has_file=True)
    return summary_page.markdown(request, file.receipt, file.first_rows, file.columns, urls)


def _make_file(export: Export) -> StoredFile:
    with (
        get_client(sync_client=True) as client,
        ProgressReporter(client, export.job_id, export.attempt) as progress,
        ended(fetch(export)) as fetched,
    ):
        batches = _unless_empty(fetched) if export.only_if_rows else fetched
        with ended(transform_to_csv(Stream(batches), export)) as blocks:
            file = upload(Stream(blocks), export, progress)
        with _removed_on_failure(export, file.receipt):
            presign(export, file.receipt)
            progress.finish(file.receipt)
    return file


def _unless_empty(batches: Iterator[Opening | Records | Chunk]) -> Iterator[Opening | Records | Chunk]:
    opening = next(batches)
    if isinstance(opening, Opening) and opening.expected == 0:
        for _ in batches:  # Exhaust the generator, so that the task completes.
            pass
        raise NoRows
    return chain([opening], batches)


@contextmanager
def _removed_on_failure(export: Export, receipt: Receipt) -> Iterator[None]:
    """Remove the file if the `with` block fails, because the file then has no receipt."""
    try:
        yield
    except BaseException:
        try:
            with storage_errors():
                export.storage.remove(export.key(receipt.name))
        except ExportError:
            logger.warning("could not remove the file of a failed attempt; the sweep will remove it")
        raise


@task(persist_result=False)
def fetch(export: Export) -> Generator[Opening | Records | Chunk, None, None]:
    """Yield the rows of the report, read from a single snapshot."""
    settings, request = export.settings, export.request
    engine = shared_engine(settings.url_of(request.report.database), CONNECT_SECONDS)
    zone, seconds, silence = request.zone.key, settings.statement_seconds, settings.silence_seconds
    clock = partial(datetime.now, UTC)
    row_security = session_settings(request.report)
    with snapshot(engine, zone, seconds, clock, silence, row_security, export.origin) as source_snapshot:
        yield from choose.rows(Reading(source_snapshot, request, clock, settings.rows_per_export))


@task(persist_result=False)
def transform_to_csv(
    batches: Stream[Opening | Records | Chunk], export: Export
) -> Generator[Opening | FirstRows | Block, None, None]:
    """Convert the rows to the bytes of the file.

    The format is CSV unless the request specifies a different one.
    """
    incoming, request = iter(batches), export.request
    opening = next(incoming)
    assert isinstance(opening, Opening)  # noqa: S101 - fetch yields it first
    yield opening
    with closing(request.format.writer(request.options, output_of(request, opening))) as writer:
        sampled = False
        for batch in incoming:
            assert not isinstance(batch, Opening)  # noqa: S101 - there is only one
            ready = transform_batch(batch, opening, request)
            if not sampled:
                yield _first_rows(ready, opening.columns, request)
                sampled = True
            yield from writer.write(ready)
        yield from writer.finish()


def output_of(request: ExportRequest, opening: Opening) -> Output:
    return Output(
        columns=opening.columns,
        rows=opening.expected,
        zone=request.zone,
        name=request.file_stem,
        title=request.title,
        snapshot_at=opening.snapshot_at,
        request=request.body,
    )


def transform_batch(batch: Records | Chunk, opening: Opening, request: ExportRequest) -> Records | Chunk:
    if isinstance(batch, Records):
        return batch
    report = request.report
    chunk = transform_chunk(batch, opening.read, report.transform, request.zone, report.file)
    return chunk.first_columns(len(opening.columns))


def _first_rows(batch: Records | Chunk, columns: list[OutputColumn], request: ExportRequest) -> FirstRows:
    if isinstance(batch, Records):
        options = request.copy_options or PRESETS["plain"]
        return FirstRows(summary_page.first_rows(batch.data, columns, options))
    data = to_csv(batch.slice(0, summary_page.ROWS), columns, request.zone, PRESETS["plain"])
    return FirstRows(summary_page.first_rows(data, columns, PRESETS["plain"]))


@task(persist_result=False)
def upload(
    blocks: Stream[Opening | FirstRows | Block], export: Export, progress: ProgressReporter
) -> StoredFile:
    """Store the complete file, or nothing if an error occurs.

    Raises Incomplete if the number of rows differs from the initial count.
    """
    incoming, request = iter(blocks), export.request
    opening = next(incoming)
    assert isinstance(opening, Opening)  # noqa: S101 - fetch yields it first
    progress.start(opening.expected, opening.snapshot_at)
    rows, first_rows = 0, summary_page.first_rows(b"", opening.columns, PRESETS["plain"])
    name = request.file_name(opening.expected)
    container = request.format.container(request.options, output_of(request, opening))
    with whole_or_absent(export.storage, export.key(name)) as target, OutputFile(container) as file:
        for block in incoming:
            if isinstance(block, FirstRows):
                first_rows = block.rows
                continue
            assert isinstance(block, Block)  # noqa: S101 - there is only one opening
            if rows == 0 and block.rows:  # Assume that all rows have about the same length.
                target.expect(len(block.data) * opening.expected // block.rows)
            for stored in file.add(block):
                target.write(stored)
            rows += block.rows
            progress.reach(_stored_rows(rows, target, file))
        if rows != opening.expected:
            raise Incomplete
        for stored in file.finish():
            target.write(stored)
        progress.check_current()
        target.commit()
        progress.reach(rows)
    receipt = Receipt(
        attempt=export.attempt,
        name=name,
        rows=rows,
        bytes=file.bytes,
        sha256=file.sha256,
        snapshot_at=opening.snapshot_at.isoformat(),
    )
    return StoredFile(receipt, opening.columns, first_rows)


def _stored_rows(rows: int, target: Upload, file: OutputFile) -> int:
    """Estimate how many rows have been stored.

    Nothing is uploaded until the first part is full or the file ends. Bytes up to the size of the first part
    are counted as stored as soon as they are produced. Otherwise, a small file would show no progress until
    the end.
    """
    stored = max(target.stored, min(file.bytes, FIRST_PART_BYTES))
    return rows * stored // file.bytes if file.bytes else 0


@task(persist_result=False)
def presign(export: Export, receipt: Receipt) -> None:
    """Create a signed link and check that it returns the whole file. The link is then discarded."""
    with storage_errors():
        seconds, key = export.settings.link_seconds, export.key(receipt.name)
        link = export.storage.sign(key, content_disposition(receipt.name), seconds, datetime.now(UTC))
        if export.storage.link_size(link) != receipt.bytes:
            raise StorageUnavailable


def _classified(error: Exception) -> ExportError:
    if isinstance(error, ExportError):
        return error
    logger.error("the export failed for an unknown reason", exc_info=error)
    return Internal()
