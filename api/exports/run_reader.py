"""Read and count flow runs in Prefect, and receive events about their changes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound

from api.access.caller import Caller
from api.access.catalog import Catalog
from api.exports.flow_run_job import (
    as_job,
    caller_of,
    ended_without_receipt,
    owner_tag,
)
from api.exports.job import Job
from api.exports.list_query import RUNNING, WAITING, ExportFilter, Position, run_filters
from api.prefect_server import JobServer
from flows.runs.artifacts import columns_filter, find_columns, progress_by_run, progress_filter
from flows.runs.receipt import RunProgress
from flows.runs.tags import DELETED_TAG, owner_from_tags

MAX_PER_READ = 200  # Prefect returns at most 200 items per request
READS_PER_PAGE = 5
LATEST_RUNS = 10  # some of them may have no file
WORKER_SILENCE = timedelta(seconds=90)  # workers send a heartbeat every 30 s
# Prefect's clock may run ahead of ours.
SOON = timedelta(minutes=1)
# The job's status is `queued` both before and after these events.
IGNORED_EVENTS = ("prefect.flow-run.Scheduled", "prefect.flow-run.Pending")


@dataclass(frozen=True)
class StateChange:
    """A change in a run's state that Prefect has reported. `ended` is true if the new state is final."""

    run_id: str
    ended: bool


class RunReader:
    def __init__(self, server: JobServer, catalog: Catalog, attempts: int) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts
        self._catalog = catalog

    async def read(self, job_id: str, caller: str) -> Job | None:
        """Return the job, or None if it does not exist or belongs to another caller."""
        async with self._server.answering():
            deployment = await self._server.deployment()
            run_id = UUID(job_id)
            flow_run, progress_by_run = await asyncio.gather(
                self._read_run(run_id), self._read_progress([run_id])
            )
            if flow_run is not None and ended_without_receipt(flow_run, progress_by_run):
                progress_by_run = await self._read_progress([run_id])
        if flow_run is None or flow_run.flow_id != deployment.flow_id or caller_of(flow_run) != caller:
            return None
        return as_job(flow_run, progress_by_run, self._attempts)

    async def read_many(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the jobs, keyed by id. Jobs that do not exist are left out.

        Each batch of 200 jobs takes two or three requests.
        """
        jobs: dict[str, Job] = {}
        for start in range(0, len(job_ids), MAX_PER_READ):
            ids = [UUID(job_id) for job_id in job_ids[start : start + MAX_PER_READ]]
            async with self._server.answering():
                runs, progress_by_run = await asyncio.gather(
                    self._client.read_flow_runs(
                        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=MAX_PER_READ
                    ),
                    self._read_progress(ids),
                )
                ended = [run.id for run in runs if ended_without_receipt(run, progress_by_run)]
                progress_by_run |= await self._read_progress(ended)
            owned = [run for run in runs if caller_of(run) is not None]
            jobs.update({str(run.id): as_job(run, progress_by_run, self._attempts) for run in owned})
        return jobs

    async def page(
        self, selected: ExportFilter, limit: int, position: Position
    ) -> tuple[list[Job], Position | None]:
        """Return a page of jobs, newest first, and the position of the next page.

        The position is None on the last page. A page may contain fewer than `limit` jobs, because Prefect
        does not support all filters.
        """
        jobs: list[Job] = []
        size = min(limit + 1, MAX_PER_READ)  # usually, Prefect supports all filters, and one read is enough
        for _ in range(READS_PER_PAGE):
            runs, progress_by_run = await self._read_page(selected, position, size)
            for run in runs:
                job = as_job(run, progress_by_run, self._attempts)
                if self._is_selected(job, caller_of(run), selected):
                    if len(jobs) == limit:
                        return jobs, position
                    jobs.append(job)
                position = position.after(cast(datetime, run.expected_start_time), run.id)
            if len(runs) < size:
                return jobs, None
            size = MAX_PER_READ
        return jobs, position

    async def covered(self, job_ids: Sequence[str], caller: Caller) -> set[str]:
        """Return the ids of the existing jobs that the caller may access with the current key or token."""
        jobs = await self.read_many(job_ids)
        own = {job_id: job for job_id, job in jobs.items() if owner_from_tags(job.run.tags) == caller.name}
        return {job_id for job_id, job in own.items() if self._catalog.covers(caller, job.run)}

    def _is_selected(self, job: Job, owner: str | None, selected: ExportFilter) -> bool:
        """Return whether the job matches the filters that Prefect does not support."""
        is_visible = owner == selected.caller.name and self._catalog.covers(selected.caller, job.run)
        is_found = selected.search is None or selected.search.matches(job)
        return is_visible and is_found and selected.status in (None, job.status)

    async def latest_done(self) -> Job | None:
        """Return the most recently finished export that has a file, or None. It may belong to any caller."""
        async with self._server.answering():
            runs = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED]))
                ),
                sort=FlowRunSort.END_TIME_DESC,
                limit=LATEST_RUNS,
            )
            progress_by_run = await self._read_progress([run.id for run in runs])
        jobs = (as_job(run, progress_by_run, self._attempts) for run in runs if DELETED_TAG not in run.tags)
        return next((job for job in jobs if job.status == "done"), None)

    async def columns(self, job: Job) -> list[dict[str, Any]] | None:
        """Return the columns of the file, or None if the run has not recorded them."""
        selected = columns_filter(UUID(job.run.id))
        for delay_seconds in (0.0, 0.2, 0.5, 1.0):  # the columns are recorded shortly after the run has ended
            await asyncio.sleep(delay_seconds)
            async with self._server.answering():
                artifacts = await self._client.read_artifacts(artifact_filter=selected)
            if (columns := find_columns(artifacts)) is not None:
                return columns
        return None

    async def waiting_before(self, job: Job, caller: str) -> int:
        """Count the caller's exports that start before this job.

        Exports of other callers are not counted, because callers take turns.
        """
        before = _filter_by_state(caller, WAITING)
        before.expected_start_time = FlowRunFilterExpectedStartTime(before_=job.run.created_at)
        before.id = FlowRunFilterId(not_any_=[UUID(job.run.id)])
        return await self._count(before)

    async def waiting(self, caller: str) -> dict[str, datetime]:
        """Return the scheduled times of the caller's next 200 waiting runs, keyed by run id."""
        async with self._server.answering():
            runs = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=_filter_by_state(caller, WAITING),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=MAX_PER_READ,
            )
        return {str(run.id): run.expected_start_time for run in runs if run.expected_start_time}

    async def queued(self, caller: str, now: datetime) -> int:
        """Count the caller's waiting exports, except those planned for later."""
        waiting = _filter_by_state(caller, WAITING)
        waiting.expected_start_time = FlowRunFilterExpectedStartTime(before_=now + SOON)
        return await self._count(waiting)

    async def running(self, caller: str) -> int:
        """Count the caller's running exports, excluding those that are being cancelled."""
        return await self._count(_filter_by_state(caller, (StateType.RUNNING,)))

    async def runs_with_keys(self, keys: Sequence[str]) -> dict[str, FlowRun]:
        """Return the runs that have these idempotency keys in Prefect, keyed by idempotency key."""
        async with self._server.answering():
            runs = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=list(keys))),
                limit=len(keys),
            )
        return {run.idempotency_key: run for run in runs if run.idempotency_key is not None}

    async def _count(self, selected: FlowRunFilter) -> int:
        async with self._server.answering():
            return await self._client.count_flow_runs(
                flow_filter=await self._flow(), flow_run_filter=selected
            )

    async def counts(self, now: datetime) -> dict[str, int]:
        """Return the numbers of queued and running exports across all callers."""
        due = FlowRunFilterExpectedStartTime(before_=now)
        counts: dict[str, int] = {}
        for status, states in (("queued", WAITING), ("running", RUNNING)):
            runs = FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
                expected_start_time=due,
            )
            async with self._server.answering():
                flow = await self._flow()
                counts[status] = await self._client.count_flow_runs(flow_filter=flow, flow_run_filter=runs)
        return counts

    async def changes(self) -> AsyncIterator[StateChange]:
        async with self._server.answering():
            flow_id = (await self._server.deployment()).flow_id
        changed = EventFilter(
            event=EventNameFilter(prefix=["prefect.flow-run."]),
            any_resource=EventAnyResourceFilter(id=[f"prefect.flow.{flow_id}"]),
        )
        async with get_events_subscriber(filter=changed) as events:
            async for event in events:
                if event.event in IGNORED_EVENTS:
                    continue
                run_id = event.resource.id.removeprefix("prefect.flow-run.")
                yield StateChange(run_id, event.resource.get("prefect.state-type") in TERMINAL_STATES)

    async def live_workers(self, work_pool: str, now: datetime) -> int:
        async with self._server.answering():
            workers = await self._client.read_workers_for_work_pool(work_pool)
        heartbeats = [worker.last_heartbeat_time for worker in workers if worker.status == "ONLINE"]
        return sum(1 for time in heartbeats if time is not None and now - time < WORKER_SILENCE)

    async def _read_page(
        self, selected: ExportFilter, position: Position, size: int
    ) -> tuple[list[FlowRun], dict[str, RunProgress]]:
        async with self._server.answering():
            flow = await self._flow()
            reads = (
                self._client.read_flow_runs(
                    flow_filter=flow,
                    flow_run_filter=run_filter,
                    sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                    limit=size,
                )
                for run_filter in run_filters(selected, position)
            )
            runs = _newest(chain.from_iterable(await asyncio.gather(*reads)), size)
            return runs, await self._read_progress([run.id for run in runs])

    async def _flow(self) -> FlowFilter:
        return FlowFilter(id=FlowFilterId(any_=[(await self._server.deployment()).flow_id]))

    async def _read_run(self, run_id: UUID) -> FlowRun | None:
        try:
            return await self._client.read_flow_run(run_id)
        except ObjectNotFound:
            return None

    async def _read_progress(self, run_ids: Sequence[UUID]) -> dict[str, RunProgress]:
        if not run_ids:
            return {}
        artifacts = await self._client.read_artifacts(artifact_filter=progress_filter(run_ids))
        return progress_by_run(artifacts)


def _filter_by_state(caller: str, states: Sequence[StateType]) -> FlowRunFilter:
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[owner_tag(caller)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
    )


def _newest(runs: Iterable[FlowRun], count: int) -> list[FlowRun]:
    """Merge the runs of several reads. A run can be in two of them if its state changed in between."""
    unique = {run.id: run for run in runs}.values()
    return sorted(unique, key=lambda run: cast(datetime, run.expected_start_time), reverse=True)[:count]
