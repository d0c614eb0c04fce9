"""The flow behind every export: fetch ▸ transform to CSV ▸ upload ▸ presign, block by block.

The tasks pull from each other, so memory is a few blocks however many rows there are. Prefect walks what
it is passed, which would drain a bare generator: Stream hides one. See architecture.md, decision 2.
"""

import hashlib
import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

from prefect import Flow, flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, Pause
from prefect.runtime import flow_run
from prefect.states import AwaitingRetry, Completed, Failed
from sqlalchemy.pool import NullPool

from flows import copy_engine, dialect, frame_engine, run_page, statement
from flows.copy_engine import Records
from flows.database import Snapshot, open_engine, snapshot
from flows.errors import (
    ExportError,
    Incomplete,
    Internal,
    InvalidRequest,
    NoRows,
    StorageUnavailable,
    Superseded,
)
from flows.frame_engine import Chunk
from flows.open_storage import open_storage
from flows.planned_run import request_of_this_run
from flows.progress import Progress
from flows.receipt import Receipt
from flows.recurring import parse_recurring
from flows.reports import catalog
from flows.request import ExportRequest, parse_request
from flows.settings import Settings
from flows.statement import OutputColumn
from flows.storage import Storage, content_disposition, object_key, storage_errors
from flows.storage import upload as whole_or_absent

CONNECT_SECONDS = 5

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """One attempt at one job: what was asked, and where it goes."""

    job_id: UUID
    attempt: int
    request: ExportRequest
    settings: Settings
    only_if_rows: bool = False

    @property
    def key(self) -> str:
        return object_key(str(self.job_id), self.attempt)

    @cached_property
    def storage(self) -> Storage:
        return open_storage(self.settings.storage_url, self.settings.public_url)


class Stream(Generic[T]):
    __slots__ = ("_items",)

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return self._items


@dataclass(frozen=True, slots=True)
class Opening:
    """What comes before the rows: how many there will be, of which moment, in which columns."""

    expected: int
    snapshot_at: datetime
    columns: list[OutputColumn]


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole records of the file."""

    rows: int
    data: bytes


def leave_page(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """After the run has completed: nobody who waits for the file waits for its page."""
    made: Any = state.data
    if state.name == NoRows.state_name:
        return
    with get_client(sync_client=True) as client:
        client.create_artifact(ArtifactCreate(type="markdown", flow_run_id=flow_run.id, data=made.result))


@flow(name="export-report", persist_result=False, validate_parameters=False, on_completion=[leave_page])
def export_report(request: dict[str, Any], recurring: dict[str, Any] | None = None) -> State[Any]:
    """Makes the file that `request` asks for; the body is that of `POST /exports`.

    `recurring` makes it a run of a recurring export: its days are told from the time it was planned for.
    """
    settings = Settings()
    job_id, attempt = UUID(flow_run.id), flow_run.run_count
    try:
        only_if_rows = False
        if recurring is not None:
            request = request_of_this_run(job_id, request, recurring)
            only_if_rows = parse_recurring(recurring).only_if_rows
        parsed = parse_request(request, catalog(settings.catalog_modules))
        receipt, page = _make_file(Export(job_id, attempt, parsed, settings, only_if_rows))
    except Superseded as error:
        raise Abort from error
    except NoRows as found:
        return Completed(name=found.state_name, message=str(found))
    except InvalidRequest as error:
        return Failed(name="request.invalid", message=str(error))
    except Exception as error:  # noqa: BLE001 - every failure ends in a stable code
        failure = _classified(error)
        if failure.worth_retry and attempt < settings.attempts:
            _hand_back(job_id, attempt, failure, settings, datetime.now(UTC))
        return Failed(name=failure.code, message=str(failure))
    return Completed(message=f"{receipt.rows:,} rows, {receipt.bytes:,} bytes", data=page)


def _make_file(export: Export) -> tuple[Receipt, str]:
    with (
        get_client(sync_client=True) as client,
        Progress(client, export.job_id, export.attempt) as progress,
    ):
        batches = _if_rows(fetch(export)) if export.only_if_rows else fetch(export)
        blocks = transform_to_csv(Stream(batches), export)
        receipt, first_rows = upload(Stream(blocks), export, progress)
        with _removed_on_failure(export):
            presign(export, receipt)
            progress.finish(receipt)
    download_url = f"{export.settings.public_url}/exports/{export.job_id}/download"
    return receipt, run_page.markdown(export.request, receipt, first_rows, download_url)


def _if_rows(batches: Iterator[Opening | Records | Chunk]) -> Iterator[Opening | Records | Chunk]:
    opening = next(batches)
    if isinstance(opening, Opening) and opening.expected == 0:
        for _ in batches:  # so that the task ends as one that has done its work
            pass
        raise NoRows
    return chain([opening], batches)


@contextmanager
def _removed_on_failure(export: Export) -> Iterator[None]:
    """A file that no receipt leads to would lie in the storage for nobody."""
    try:
        yield
    except BaseException:
        try:
            with storage_errors():
                export.storage.remove(export.key)
        except ExportError:
            logger.warning("the file of a failed attempt could not be removed; the sweep will")
        raise


@task(persist_result=False)
def fetch(export: Export) -> Generator[Opening | Records | Chunk, None, None]:
    """The report's rows, all of one snapshot."""
    settings, request = export.settings, export.request
    engine = open_engine(settings.database_url.get_secret_value(), CONNECT_SECONDS, poolclass=NullPool)
    zone, seconds = request.zone.key, settings.statement_seconds
    with snapshot(engine, zone, seconds, clock=lambda: datetime.now(UTC)) as taken:
        columns = statement.output_columns(request, taken.questions(statement.questions(request)))
        yield Opening(taken.scalar(statement.count(request)), taken.taken_at, columns)
        if uses_copy(taken, request):
            yield from copy_engine.fetch(taken, statement.rows(request, copy_engine.expressions(columns)))
        else:
            rows = statement.rows(request, frame_engine.expressions(columns))
            yield from frame_engine.fetch(taken, rows, columns)


def uses_copy(taken: Snapshot, request: ExportRequest) -> bool:
    return taken.is_postgresql and request.report.transform is None


@task(persist_result=False)
def transform_to_csv(
    batches: Stream[Opening | Records | Chunk], export: Export
) -> Generator[Opening | Block, None, None]:
    """The bytes of the file, the header first."""
    request = export.request
    columns: list[OutputColumn] = []
    for batch in batches:
        if isinstance(batch, Opening):
            columns = batch.columns
            yield batch
            yield Block(0, header(request, columns))
        elif isinstance(batch, Records):
            yield Block(batch.rows, batch.data)
        else:
            ready = frame_engine.transformed(batch, request.report.transform)
            yield Block(batch.rows, frame_engine.to_csv(ready, columns, request.zone))


def header(request: ExportRequest, columns: list[OutputColumn]) -> bytes:
    style = request.dialect.header
    if style == "none":
        return b""
    return dialect.record([c.label if style == "labels" else c.key for c in columns]).encode()


@task(persist_result=False)
def upload(
    blocks: Stream[Opening | Block], export: Export, progress: Progress
) -> tuple[Receipt, run_page.FirstRows]:
    """Stores the file whole; rows that are missing or too many leave nothing behind."""
    opening, first = None, b""
    rows, size, digest = 0, 0, hashlib.sha256()
    with whole_or_absent(export.storage, export.key) as made:
        for block in blocks:
            if isinstance(block, Opening):
                opening = block
                progress.start(block.expected, block.snapshot_at)
                continue
            made.write(block.data)
            digest.update(block.data)
            size += len(block.data)
            rows += block.rows
            first = first or (block.data if block.rows else b"")
            progress.advance(block.rows)
        if opening is None or rows != opening.expected:
            raise Incomplete
        progress.check_current()
        made.commit()
    receipt = Receipt(
        attempt=export.attempt,
        name=export.request.file_name,
        rows=rows,
        bytes=size,
        sha256=digest.hexdigest(),
        snapshot_at=opening.snapshot_at.isoformat(),
    )
    return receipt, run_page.first_rows(first, opening.columns)


@task(persist_result=False)
def presign(export: Export, receipt: Receipt) -> None:
    """Proves that a signed link to the file answers with all of it; the link itself is thrown away."""
    with storage_errors():
        disposition = content_disposition(receipt.name)
        link = export.storage.sign(export.key, disposition, export.settings.link_seconds, datetime.now(UTC))
        if export.storage.bytes_behind(link) != receipt.bytes:
            raise StorageUnavailable


def _classified(error: Exception) -> ExportError:
    if isinstance(error, ExportError):
        return error
    logger.error("the export failed in a way that has no code of its own", exc_info=error)
    return Internal()


def _hand_back(
    job_id: UUID, attempt: int, failure: ExportError, settings: Settings, now: datetime
) -> NoReturn:
    """Gives the run back to the workers for a later attempt, in a process and on a snapshot of its own."""
    state: State[Any] = AwaitingRetry(
        scheduled_time=now + timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1)),
        message=f"{failure.code}: {failure}",
    )
    with get_client(sync_client=True) as client:
        answer = client.set_flow_run_state(job_id, state)
    if answer.status != SetStateStatus.ACCEPT:  # somebody has cancelled it meanwhile
        raise Abort
    raise Pause(state=answer.state)
