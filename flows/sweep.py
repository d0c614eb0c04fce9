"""The flow that removes what nobody can want any more: expired files, deleted exports, leftovers. It also
looks after runs that have ended and that nobody has followed up, where no warm worker does.

A file belongs to the attempt that its run's receipt names. Whatever else lies under a run's id is a leftover:
of an attempt that was given up, of a put whose answer got lost, of a process that was killed. It goes when
its run has ended; where the run is unknown, only when it is older than any file that is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Completed

from flows.runs import flow_names
from flows.runs.artifacts import read_progress
from flows.runs.tags import DELETED_TAG, EXPIRED_TAG
from flows.schedules.after_run import follow_up_ended_runs
from flows.settings import Settings
from flows.storage.from_url import open_storage
from flows.storage.orphans import OwnerRun, StoredObject, is_orphan
from flows.storage.protocol import Storage

EXPORTS = FlowFilter(name=FlowFilterName(any_=[flow_names.EXPORT]))
MOST_PER_READ = 200  # Prefect's own limit
LOOKED_BACK = timedelta(days=30)


@dataclass
class Swept:
    """How many of each were removed."""

    expired: int = 0
    forgotten: int = 0
    objects: int = 0
    uploads: int = 0

    def __str__(self) -> str:
        return (
            f"{self.expired} expired, {self.forgotten} deleted exports,"
            f" {self.objects} objects, {self.uploads} unfinished uploads"
        )


@flow(name=flow_names.SWEEP, persist_result=False)
def sweep_files() -> State[Any]:
    settings = Settings()
    storage = open_storage(settings.storage_url, settings.public_url)
    with get_client(sync_client=True) as client:
        follow_up_ended_runs(client, settings)
        swept = sweep(client, storage, oldest=datetime.now(UTC) - settings.retention)
    return Completed(message=f"Removed {swept}.")


def sweep(client: SyncPrefectClient, storage: Storage, oldest: datetime) -> Swept:
    swept = Swept()
    stored, unfinished = list(storage.list_objects()), list(storage.list_unfinished())
    for run in _expired(client, oldest):
        # The mark first: a file is never promised that is no longer there.
        client.update_flow_run(run.id, tags=[*run.tags, EXPIRED_TAG])
        swept.expired += 1
    swept.objects = _remove_leftovers(client, storage, stored, oldest)
    for each in _leftovers(client, unfinished, oldest):
        storage.abort_upload(each)
        swept.uploads += 1
    for run in _forgotten(client):
        client.delete_flow_run(run.id)
        swept.forgotten += 1
    return swept


def _remove_leftovers(
    client: SyncPrefectClient, storage: Storage, stored: Sequence[StoredObject], oldest: datetime
) -> int:
    found = list(_leftovers(client, stored, oldest))
    for each in found:
        storage.remove(each.key)
    return len(found)


def _leftovers(
    client: SyncPrefectClient, stored: Sequence[StoredObject], oldest: datetime
) -> Iterator[StoredObject]:
    """Read after the storage was listed: a run that ends meanwhile has its receipt by then."""
    job_ids = sorted({each.job_id for each in stored if each.job_id is not None})
    owners: dict[str, OwnerRun] = {}
    for start in range(0, len(job_ids), MOST_PER_READ):
        owners |= _owners(client, [UUID(job_id) for job_id in job_ids[start : start + MOST_PER_READ]])
    for each in stored:
        if is_orphan(each, owners.get(each.job_id or ""), oldest):
            yield each


def _owners(client: SyncPrefectClient, run_ids: list[UUID]) -> dict[str, OwnerRun]:
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=run_ids)))
    receipts = _attempts_with_receipt(client, run_ids)
    return {str(run.id): _owner(run, receipts.get(str(run.id))) for run in runs}


def _owner(run: FlowRun, attempt: int | None) -> OwnerRun:
    has_file = run.state_type == StateType.COMPLETED and not {EXPIRED_TAG, DELETED_TAG} & set(run.tags)
    # A crashed run may be put back; its attempts to come have keys of their own.
    ended = run.state_type in TERMINAL_STATES
    return OwnerRun(ended, attempt if has_file else None)


def _attempts_with_receipt(client: SyncPrefectClient, run_ids: list[UUID]) -> dict[str, int]:
    progress_by_run = read_progress(client, run_ids)
    return {
        run_id: progress.receipt.attempt
        for run_id, progress in progress_by_run.items()
        if progress.receipt is not None
    }


def _expired(client: SyncPrefectClient, oldest: datetime) -> Iterator[FlowRun]:
    """Those of the last weeks: sweeps that failed for longer would have been noticed."""
    before = FlowRunFilterEndTime(after_=oldest - LOOKED_BACK, before_=oldest)
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED]))
    yield from (
        run
        for run in _pages(client, FlowRunFilter(end_time=before, state=state))
        if EXPIRED_TAG not in run.tags
    )


def _forgotten(client: SyncPrefectClient) -> list[FlowRun]:
    tags = FlowRunFilterTags(all_=[DELETED_TAG])
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES)))
    return list(_pages(client, FlowRunFilter(tags=tags, state=state)))


def _pages(client: SyncPrefectClient, wanted: FlowRunFilter) -> Iterator[FlowRun]:
    offset = 0
    while True:
        found = client.read_flow_runs(
            flow_filter=EXPORTS,
            flow_run_filter=wanted,
            sort=FlowRunSort.END_TIME_DESC,
            limit=MOST_PER_READ,
            offset=offset,
        )
        yield from found
        if len(found) < MOST_PER_READ:
            return
        offset += MOST_PER_READ
