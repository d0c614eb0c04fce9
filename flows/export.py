"""The flow behind every export: fetch ▸ transform to CSV ▸ upload ▸ presign, block by block.

The tasks pull from each other, so memory is a few blocks however many rows there are. Prefect walks what
it is passed, which would drain a bare generator: Stream hides one. See architecture.md, decision 2.
"""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, Pause
from prefect.runtime import flow_run
from prefect.states import AwaitingRetry, Completed, Failed
from sqlalchemy.pool import NullPool

from flows import copy_engine, frame_engine, readers, run_page, statement
from flows.copy_engine import Records
from flows.database import Snapshot, open_engine, snapshot
from flows.errors import ExportError, Incomplete, Internal, InvalidRequest, StorageUnavailable, Superseded
from flows.frame_engine import Chunk
from flows.header import header
from flows.open_storage import open_storage
from flows.packing import Packing
from flows.progress import Progress
from flows.receipt import Receipt
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

    def key(self, file_name: str) -> str:
        return object_key(str(self.job_id), self.attempt, file_name)

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
    """Some whole records, before they are packed; the header is not one of them."""

    rows: int
    data: bytes


@flow(name="export-report", persist_result=False, validate_parameters=False)
def export_report(request: dict[str, Any]) -> State[Any]:
    """Makes the file that `request` asks for; the body is that of `POST /exports`."""
    settings = Settings()
    job_id, attempt = UUID(flow_run.id), flow_run.run_count
    try:
        parsed = parse_request(request, catalog(settings.catalog_modules))
        receipt = _make_file(Export(job_id, attempt, parsed, settings))
    except Superseded as error:
        raise Abort from error
    except InvalidRequest as error:
        return Failed(name="request.invalid", message=str(error))
    except Exception as error:  # noqa: BLE001 - every failure ends in a stable code
        failure = _classified(error)
        if failure.worth_retry and attempt < settings.attempts:
            _hand_back(job_id, attempt, failure, settings, datetime.now(UTC))
        return Failed(name=failure.code, message=str(failure))
    return Completed(message=f"{receipt.rows:,} rows, {receipt.bytes:,} bytes")


def _make_file(export: Export) -> Receipt:
    with (
        get_client(sync_client=True) as client,
        Progress(client, export.job_id, export.attempt) as progress,
        _ended(fetch(export)) as batches,
        _ended(transform_to_csv(Stream(batches), export)) as blocks,
    ):
        receipt, first_rows = upload(Stream(blocks), export, progress)
        with _removed_on_failure(export, receipt):
            presign(export, receipt)
            page = run_page.markdown(export.request, receipt, first_rows)
            progress.finish(receipt, page, f"{export.settings.public_url}/exports/{export.job_id}/download")
    return receipt


@contextmanager
def _ended(items: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """Ended here when another task has failed. Left to Python's own end, Prefect would hang in it: it starts
    a thread to report the task, and none can start any more."""
    try:
        yield items
    finally:
        with suppress(ExportError):  # not the failure that counts
            items.close()


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
    with snapshot(engine, zone, seconds, lambda: datetime.now(UTC), silence) as taken:
        columns = statement.output_columns(request, taken.questions(statement.questions(request)))
        expected = taken.scalar(statement.count(request))
        yield Opening(expected, taken.taken_at, columns)
        if uses_copy(taken, request, columns):
            rows = copy_engine.select_rows(request, columns)
            yield from readers.fetch(taken, request, rows, expected, settings.readers)
        else:
            rows = statement.rows(request, frame_engine.expressions(columns, request.report.key))
            yield from frame_engine.fetch(taken, rows, columns, request.dialect)


def uses_copy(taken: Snapshot, request: ExportRequest, columns: Sequence[OutputColumn]) -> bool:
    fits = len(columns) <= copy_engine.MOST_COLUMNS
    return taken.is_postgresql and fits and request.report.transform is None


@task(persist_result=False)
def transform_to_csv(
    batches: Stream[Opening | Records | Chunk], export: Export
) -> Generator[Opening | Block, None, None]:
    """The rows as the bytes that the file will hold."""
    request = export.request
    columns: list[OutputColumn] = []
    for batch in batches:
        if isinstance(batch, Opening):
            columns = batch.columns
            yield batch
        elif isinstance(batch, Records):
            yield Block(batch.rows, batch.data)
        else:
            ready = frame_engine.transformed(batch, columns, request)
            yield Block(batch.rows, frame_engine.to_csv(ready, columns, request.zone, request.dialect))


@task(persist_result=False)
def upload(
    blocks: Stream[Opening | Block], export: Export, progress: Progress
) -> tuple[Receipt, run_page.FirstRows]:
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
            progress.advance(block.rows)
        if rows != opening.expected:
            raise Incomplete
        for stored in packing.finish():
            made.write(stored)
        progress.check_current()
        made.commit()
    receipt = Receipt(
        attempt=export.attempt,
        name=name,
        rows=rows,
        bytes=packing.bytes,
        sha256=packing.sha256,
        snapshot_at=opening.snapshot_at.isoformat(),
    )
    return receipt, run_page.first_rows(first, opening.columns, request.dialect)


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
