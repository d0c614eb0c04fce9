"""Remove expired files, exports that their owners have deleted, and orphaned objects.

The flow also follows up on runs that have ended, in case no warm worker is running to do so.

An object is valid if it comes from the attempt that is recorded in the run's receipt. Every other object
under the run's id is an orphan. Orphans come from attempts that were replaced, uploads whose responses were
lost, and processes that were killed. An orphan is deleted once its run has ended. An object whose run is
unknown is deleted when it is older than the retention period.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.runs import flow_names, history
from flows.runs.artifacts import all_filter, delete_artifacts, page_filter, read_progress
from flows.runs.deliveries import delete_deliveries
from flows.runs.tags import DELETED_NAME, DELETED_TAG, EXPIRED_TAG, SWEPT, tag_value
from flows.schedules.after_run import follow_up_ended_runs
from flows.settings import Settings
from flows.storage.from_url import open_storage
from flows.storage.orphans import OwnerRun, StoredObject, is_orphan
from flows.storage.protocol import Storage

PAGE_SIZE = 200  # This is Prefect's own limit.
# The first sweep, or a sweep after a long outage, looks this far back.
LOOKBACK = timedelta(days=30)
# Consecutive sweeps overlap by this much, because the clocks of runs and sweeps may differ. A longer overlap
# would take more time, because each sweep reads the runs in it again.
OVERLAP = timedelta(minutes=5)
# This limits the duration of a sweep. The next sweep deletes the remaining runs.
MAX_DELETED_RUNS = 20_000
FLOWS = (flow_names.EXPORT, flow_names.DELIVER, flow_names.SWEEP)


@dataclass(frozen=True)
class LastSweep:
    """The last completed sweep. It removed the files of exports that ended before `oldest`."""

    started_at: datetime
    oldest: datetime


@dataclass
class SweepCounts:
    """The numbers of files, exports, objects, uploads and old runs that a sweep has removed."""

    expired: int = 0
    deleted: int = 0
    objects: int = 0
    uploads: int = 0
    runs: int = 0

    def __str__(self) -> str:
        return (
            f"the files of {self.expired} expired exports, {self.deleted} deleted exports,"
            f" {self.objects} objects, {self.uploads} unfinished uploads, {self.runs} old runs"
        )


@flow(name=flow_names.SWEEP, persist_result=False)
def sweep_files() -> State[Any]:
    settings = Settings()
    storage = open_storage(settings.storage_url, settings.public_url, settings.silence_seconds)
    now = datetime.now(UTC)
    oldest = now - settings.retention
    with get_client(sync_client=True) as client:
        last = read_last_sweep(client, now)
        follow_up_ended_runs(client, settings, ended_after=(last.started_at if last else now) - LOOKBACK)
        counts = sweep(client, storage, oldest, last)
        counts.runs = history.delete_runs(client, FLOWS, now - settings.history, MAX_DELETED_RUNS)
        client.update_flow_run(UUID(flow_run.id), tags=[*flow_run.tags, f"{SWEPT}{oldest.isoformat()}"])
    return Completed(message=f"Removed {counts}.")


def read_last_sweep(client: SyncPrefectClient, now: datetime) -> LastSweep | None:
    completed = history.read_ended_runs(
        client, flow_names.SWEEP, now - LOOKBACK, now, states=[StateType.COMPLETED], page_size=1
    )
    return next((last for run in completed if (last := _parse_sweep(run)) is not None), None)


def _parse_sweep(run: FlowRun) -> LastSweep | None:
    oldest = tag_value(run.tags, SWEPT)
    if oldest is None or run.start_time is None:
        return None
    return LastSweep(run.start_time, datetime.fromisoformat(oldest))


def sweep(
    client: SyncPrefectClient, storage: Storage, oldest: datetime, last: LastSweep | None = None
) -> SweepCounts:
    """Remove expired files, exports that their owners have deleted, and orphaned objects.

    A file has expired if its export ended before `oldest`. The sweep reads only the runs whose files have
    expired since the last sweep, the runs that their owners have deleted, and the runs with stored objects.
    """
    counts = SweepCounts()
    stored, unfinished = list(storage.list_objects()), list(storage.list_unfinished())
    for run in _expired(client, oldest, last):
        delete_artifacts(client, page_filter(run.id))
        # Tag the run before its file is removed, so that the API never links to a file that no longer exists.
        client.update_flow_run(run.id, tags=[*run.tags, EXPIRED_TAG])
        counts.expired += 1
    counts.objects = _remove_orphans(client, storage, stored, oldest)
    for upload in _orphans(client, unfinished, oldest):
        storage.abort_upload(upload)
        counts.uploads += 1
    for run in _deleted(client):
        delete_artifacts(client, all_filter(run.id))
        if delete_deliveries(client, run.id):
            client.delete_flow_run(run.id)
            counts.deleted += 1
    return counts


def _remove_orphans(
    client: SyncPrefectClient, storage: Storage, stored: Sequence[StoredObject], oldest: datetime
) -> int:
    orphans = list(_orphans(client, stored, oldest))
    for orphan in orphans:
        storage.remove(orphan.key)
    return len(orphans)


def _orphans(
    client: SyncPrefectClient, stored: Sequence[StoredObject], oldest: datetime
) -> Iterator[StoredObject]:
    """Yield the orphans among the stored objects.

    The caller must list the objects before this function reads the runs. This order ensures that a run's
    receipt is found even if the run ends in between.
    """
    job_ids = sorted({item.job_id for item in stored if item.job_id is not None})
    owners: dict[str, OwnerRun] = {}
    for start in range(0, len(job_ids), PAGE_SIZE):
        owners |= _owners(client, [UUID(job_id) for job_id in job_ids[start : start + PAGE_SIZE]])
    for item in stored:
        if is_orphan(item, owners.get(item.job_id or ""), oldest):
            yield item


def _owners(client: SyncPrefectClient, run_ids: list[UUID]) -> dict[str, OwnerRun]:
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=run_ids)))
    receipts = _attempts_with_receipt(client, run_ids)
    return {str(run.id): _owner(run, receipts.get(str(run.id))) for run in runs}


def _owner(run: FlowRun, attempt: int | None) -> OwnerRun:
    has_file = run.state_type == StateType.COMPLETED and not {EXPIRED_TAG, DELETED_TAG} & set(run.tags)
    # A crashed run may be retried, but later attempts store their files under different keys.
    ended = run.state_type in TERMINAL_STATES
    return OwnerRun(ended, attempt if has_file else None)


def _attempts_with_receipt(client: SyncPrefectClient, run_ids: list[UUID]) -> dict[str, int]:
    progress_by_run = read_progress(client, run_ids)
    return {
        run_id: progress.receipt.attempt
        for run_id, progress in progress_by_run.items()
        if progress.receipt is not None
    }


def _expired(client: SyncPrefectClient, oldest: datetime, last: LastSweep | None) -> Iterator[FlowRun]:
    """Yield the runs whose files have expired since the last sweep."""
    after = last.oldest - OVERLAP if last is not None else oldest - LOOKBACK
    runs = history.read_ended_runs(client, flow_names.EXPORT, after, oldest, states=[StateType.COMPLETED])
    return (run for run in runs if EXPIRED_TAG not in run.tags)


def _deleted(client: SyncPrefectClient) -> list[FlowRun]:
    """Return the runs that have ended and whose exports were deleted by their owners."""
    runs = history.read_ended_runs(
        client, flow_names.EXPORT, None, datetime.now(UTC) + OVERLAP, tag=DELETED_TAG, name=DELETED_NAME
    )
    return list(runs)
