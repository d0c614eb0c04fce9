"""Reads flow runs as jobs: one, many, a page of a caller's, and hears of their changes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound

from api.access.caller import LOCAL_CALLER
from api.exports.flow_run_job import (
    as_job,
    caller_of,
    ended_without_receipt,
    owner_tag,
    report_tag,
    schedule_tag,
)
from api.exports.job import Job, Status
from api.exports.list_query import ExportFilter, Position
from api.prefect_server import JobServer
from flows.runs.artifacts import columns_filter, progress_by_run, progress_filter
from flows.runs.receipt import RunProgress
from flows.runs.tags import EXPIRED_TAG

MOST_PER_READ = 200  # Prefect's own limit
READS_PER_PAGE = 5
WORKER_SILENCE = timedelta(seconds=90)  # a worker reports every 30 s
# Prefect's clock may be ahead of ours.
SOON = timedelta(minutes=1)
# The job is queued before and after.
NOTHING_TO_SEE = ("prefect.flow-run.Scheduled", "prefect.flow-run.Pending")
WAITING = (StateType.SCHEDULED, StateType.PENDING)
GOING_ON = (StateType.RUNNING, StateType.CANCELLING)
STATES_OF: dict[Status, tuple[StateType, ...]] = {
    "queued": (*WAITING, StateType.PAUSED, StateType.CRASHED),
    "running": GOING_ON,
    "finalizing": GOING_ON,
    "done": (StateType.COMPLETED,),
    "expired": (StateType.COMPLETED,),
    "error": (StateType.FAILED, StateType.CRASHED, StateType.COMPLETED),
    "cancelled": (StateType.CANCELLED, StateType.COMPLETED),
}


class RunReader:
    def __init__(self, server: JobServer, attempts: int) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts

    async def read(self, job_id: str, caller: str) -> Job | None:
        """None for an unknown id and for another caller's alike."""
        async with self._server.answering():
            deployment = await self._server.deployment()
            run_id = UUID(job_id)
            found, progress_by_run = await asyncio.gather(
                self._read_run(run_id), self._read_progress([run_id])
            )
            if found is not None and ended_without_receipt(found, progress_by_run):
                progress_by_run = await self._read_progress([run_id])
        if found is None or found.flow_id != deployment.flow_id or caller_of(found) != caller:
            return None
        return as_job(found, progress_by_run, self._attempts)

    async def read_many(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Those that exist and are still anybody's, in two calls, seldom three, for every 200."""
        jobs: dict[str, Job] = {}
        for start in range(0, len(job_ids), MOST_PER_READ):
            ids = [UUID(job_id) for job_id in job_ids[start : start + MOST_PER_READ]]
            async with self._server.answering():
                found, progress_by_run = await asyncio.gather(
                    self._client.read_flow_runs(
                        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=MOST_PER_READ
                    ),
                    self._read_progress(ids),
                )
                ended = [each.id for each in found if ended_without_receipt(each, progress_by_run)]
                progress_by_run |= await self._read_progress(ended)
            mine = [each for each in found if caller_of(each) is not None]
            jobs.update({str(each.id): as_job(each, progress_by_run, self._attempts) for each in mine})
        return jobs

    async def page(
        self, wanted: ExportFilter, limit: int, place: Position
    ) -> tuple[list[Job], Position | None]:
        """Newest first, and where the next page begins; a page may be short where Prefect cannot filter."""
        jobs: list[Job] = []
        for _ in range(READS_PER_PAGE):
            found, progress_by_run = await self._read_page(wanted, place)
            for each in found:
                job = as_job(each, progress_by_run, self._attempts)
                if _is_wanted(job, caller_of(each), wanted):
                    if len(jobs) == limit:
                        return jobs, place
                    jobs.append(job)
                place = place.after(cast(datetime, each.expected_start_time), each.id)
            if len(found) < MOST_PER_READ:
                return jobs, None
        return jobs, place

    async def columns(self, job: Job) -> list[dict[str, Any]] | None:
        """The file's columns; None where the run could not leave them."""
        columns = columns_filter(UUID(job.run.id))
        for pause_seconds in (0.0, 0.2, 0.5, 1.0):  # it comes a moment after the run's end
            await asyncio.sleep(pause_seconds)
            async with self._server.answering():
                found = await self._client.read_artifacts(artifact_filter=columns)
            if found:
                return cast("list[dict[str, Any]]", found[0].data)
        return None

    async def waiting_before(self, job: Job, caller: str) -> int:
        """How many of the caller's own are to be taken first: callers take turns, so others' do not count."""
        before = _of(caller, WAITING)
        before.expected_start_time = FlowRunFilterExpectedStartTime(before_=job.run.created_at)
        before.id = FlowRunFilterId(not_any_=[UUID(job.run.id)])
        return await self._count(before)

    async def waiting(self, caller: str) -> dict[str, datetime]:
        """The caller's own that wait, by id, and when each was to begin; as many as Prefect reads at once."""
        async with self._server.answering():
            found = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=_of(caller, WAITING),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=MOST_PER_READ,
            )
        return {str(each.id): each.expected_start_time for each in found if each.expected_start_time}

    async def queued(self, caller: str, now: datetime) -> int:
        """How many of the caller's wait; those that are planned for later do not yet."""
        waiting = _of(caller, WAITING)
        waiting.expected_start_time = FlowRunFilterExpectedStartTime(before_=now + SOON)
        return await self._count(waiting)

    async def running(self, caller: str) -> int:
        return await self._count(_of(caller, GOING_ON))

    async def run_with_key(self, key: str) -> FlowRun | None:
        """By Prefect's idempotency key, which is one run's at most."""
        async with self._server.answering():
            found = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key])),
                limit=1,
            )
        return found[0] if found else None

    async def _count(self, wanted: FlowRunFilter) -> int:
        async with self._server.answering():
            return await self._client.count_flow_runs(flow_filter=await self._flow(), flow_run_filter=wanted)

    async def counts(self, now: datetime) -> dict[str, int]:
        """Of all callers: what waits and is due, and what goes on."""
        due = FlowRunFilterExpectedStartTime(before_=now)
        found: dict[str, int] = {}
        for status, states in (("queued", WAITING), ("running", STATES_OF["running"])):
            chosen = FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
                expected_start_time=due,
            )
            async with self._server.answering():
                flow = await self._flow()
                found[status] = await self._client.count_flow_runs(flow_filter=flow, flow_run_filter=chosen)
        return found

    async def changes(self) -> AsyncIterator[str]:
        """The id of each run of the flow whose state has changed, by Prefect's events; ends when they do."""
        async with self._server.answering():
            flow_id = (await self._server.deployment()).flow_id
        changed = EventFilter(
            event=EventNameFilter(prefix=["prefect.flow-run."]),
            any_resource=EventAnyResourceFilter(id=[f"prefect.flow.{flow_id}"]),
        )
        async with get_events_subscriber(filter=changed) as events:
            async for event in events:
                if event.event in NOTHING_TO_SEE:
                    continue
                yield event.resource.id.removeprefix("prefect.flow-run.")

    async def live_workers(self, work_pool: str, now: datetime) -> int:
        async with self._server.answering():
            workers = await self._client.read_workers_for_work_pool(work_pool)
        heard = [worker.last_heartbeat_time for worker in workers if worker.status == "ONLINE"]
        return sum(1 for at in heard if at is not None and now - at < WORKER_SILENCE)

    async def _read_page(
        self, wanted: ExportFilter, place: Position
    ) -> tuple[list[FlowRun], dict[str, RunProgress]]:
        async with self._server.answering():
            found = await self._client.read_flow_runs(
                flow_filter=await self._flow(),
                flow_run_filter=_filter(wanted, place),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=MOST_PER_READ,
            )
            return found, await self._read_progress([each.id for each in found])

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


def _of(caller: str, states: Sequence[StateType]) -> FlowRunFilter:
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[owner_tag(caller)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
    )


def _is_wanted(job: Job, owner: str | None, wanted: ExportFilter) -> bool:
    """By what Prefect cannot filter by."""
    theirs = owner == wanted.caller.name and wanted.caller.may_see(job.run.masked)
    return theirs and wanted.status in (None, job.status)


def _filter(wanted: ExportFilter, place: Position) -> FlowRunFilter:
    caller = wanted.caller.name
    tags = [owner_tag(caller)] if caller != LOCAL_CALLER else []
    tags += [report_tag(wanted.report)] if wanted.report else []
    tags += [schedule_tag(wanted.schedule_id)] if wanted.schedule_id else []
    tags += [EXPIRED_TAG] if wanted.status == "expired" else []
    states = STATES_OF[wanted.status] if wanted.status is not None else None
    deployment = [wanted.deployment_id] if wanted.deployment_id is not None else None
    return FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime(before_=place.before),
        deployment_id=FlowRunFilterDeploymentId(any_=deployment) if deployment else None,
        id=FlowRunFilterId(not_any_=list(place.seen)) if place.seen else None,
        tags=FlowRunFilterTags(all_=tags) if tags else None,
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))) if states else None,
    )
