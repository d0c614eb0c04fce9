"""The one file here that speaks to Prefect: starts runs, reads them, hears of changes, sees live workers."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound

from api.jobs import Job, Run
from api.problems import Unavailable
from api.settings import ApiSettings
from flows.receipt import Standing, from_metadata
from flows.request import ExportRequest

LOCAL_CALLER = "local"
MOST_PER_READ = 200  # Prefect's own limit
LONGEST_WAIT_SECONDS = 15.0  # for a Prefect that answers, but not yet to us
KEY_LIFE = timedelta(hours=24)
WORKER_SILENCE = timedelta(seconds=90)  # a worker reports every 30 s
# The job is queued before and after.
NOTHING_TO_SEE = ("prefect.flow-run.Scheduled", "prefect.flow-run.Pending")
FINAL_STATES = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]


class KeyReused(Exception):
    """The Idempotency-Key came earlier with another request."""


def owner_tag(caller: str) -> str:
    return f"owner:{caller}"


def request_tag(request: ExportRequest) -> str:
    return f"request:{request.fingerprint[:32]}"


class Runs:
    def __init__(self, settings: ApiSettings) -> None:
        self._client: PrefectClient = get_client(httpx_settings={"event_hooks": {"response": [self.heard]}})
        self._settings = settings
        self._deployment: DeploymentResponse | None = None
        self._starting: dict[str, asyncio.Task[tuple[Job, bool]]] = {}
        # Each wait for Prefect, and when it ends whatever happens, in the loop's seconds.
        self._waiting: dict[asyncio.Timeout, float] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Runs"]:
        async with self._client:
            yield self

    async def start(
        self, request: ExportRequest, caller: str, key: str | None, now: datetime
    ) -> tuple[Job, bool]:
        """The job, and whether it is an earlier one: same key, or same request still going on."""
        flight = _hash(caller, key or "", request.fingerprint)
        if (going := self._starting.get(flight)) is not None:  # many clicks at once are one call
            return (await asyncio.shield(going))[0], True
        going = asyncio.create_task(self._start(request, caller, key, now))
        self._starting[flight] = going
        going.add_done_callback(lambda _: self._starting.pop(flight))
        return await asyncio.shield(going)

    async def heard(self, _: httpx.Response) -> None:
        """Prefect is busy, not away: whoever waits for it may wait on."""
        now = asyncio.get_running_loop().time()
        for limit, latest in self._waiting.items():
            if not limit.expired():
                limit.reschedule(min(now + self._settings.outage_seconds, latest))

    async def _start(
        self, request: ExportRequest, caller: str, key: str | None, now: datetime
    ) -> tuple[Job, bool]:
        async with self._answering():
            if key is not None:
                return await self._start_by_key(request, caller, _hash(caller, "key", key), now)
            last = await self._last_finished(request, caller)
            found, replayed = await self._create(
                request, caller, _hash(caller, "request", request.fingerprint, last)
            )
            return self._as_job(found, {}), replayed

    async def read(self, job_id: str, caller: str) -> Job | None:
        """None for an unknown id and for another caller's alike."""
        async with self._answering():
            deployment = await self._read_deployment()
            run_id = UUID(job_id)
            found, standings = await asyncio.gather(self._read_run(job_id), self._read_standings([run_id]))
            if found is not None and _ended_without_receipt(found, standings):
                standings = await self._read_standings([run_id])
        if found is None or found.flow_id != deployment.flow_id or _caller_of(found) != caller:
            return None
        return self._as_job(found, standings)

    async def read_many(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Those that exist, in two calls, seldom three, for every 200."""
        jobs: dict[str, Job] = {}
        for start in range(0, len(job_ids), MOST_PER_READ):
            ids = [UUID(job_id) for job_id in job_ids[start : start + MOST_PER_READ]]
            async with self._answering():
                found, standings = await asyncio.gather(
                    self._client.read_flow_runs(
                        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=MOST_PER_READ
                    ),
                    self._read_standings(ids),
                )
                ended = [each.id for each in found if _ended_without_receipt(each, standings)]
                standings |= await self._read_standings(ended)
            jobs.update({str(each.id): self._as_job(each, standings) for each in found})
        return jobs

    async def changes(self) -> AsyncIterator[str]:
        """The id of each run of the flow whose state has changed, by Prefect's events; ends when they do."""
        async with self._answering():
            flow_id = (await self._read_deployment()).flow_id
        changed = EventFilter(
            event=EventNameFilter(prefix=["prefect.flow-run."]),
            any_resource=EventAnyResourceFilter(id=[f"prefect.flow.{flow_id}"]),
        )
        async with get_events_subscriber(filter=changed) as events:
            async for event in events:
                if event.event in NOTHING_TO_SEE:
                    continue
                yield event.resource.id.removeprefix("prefect.flow-run.")

    async def check(self) -> None:
        """Raises Unavailable when no run could be started now."""
        async with self._answering():
            self._deployment = None
            await self._read_deployment()

    async def live_workers(self, now: datetime) -> int:
        async with self._answering():
            workers = await self._client.read_workers_for_work_pool(self._settings.work_pool)
        heard = [worker.last_heartbeat_time for worker in workers if worker.status == "ONLINE"]
        return sum(1 for at in heard if at is not None and now - at < WORKER_SILENCE)

    async def _start_by_key(
        self, request: ExportRequest, caller: str, key: str, now: datetime
    ) -> tuple[Job, bool]:
        """Prefect never releases a key; a run that is older than a day hands it on to the next."""
        while True:
            found, replayed = await self._create(request, caller, key)
            if not replayed or found.created is None or now - found.created < KEY_LIFE:
                break
            key = _hash(key, str(found.id))
        if replayed and request_tag(request) not in found.tags:
            raise KeyReused
        return self._as_job(found, {}), replayed

    async def _create(self, request: ExportRequest, caller: str, key: str) -> tuple[FlowRun, bool]:
        # The name is ours alone: a run that comes back under another one was there before.
        name = f"{request.report.name}-{secrets.token_hex(6)}"
        found = await self._client.create_flow_run_from_deployment(
            (await self._read_deployment()).id,
            parameters={"request": dict(request.body)},
            name=name,
            tags=[owner_tag(caller), f"report:{request.report.name}", request_tag(request)],
            idempotency_key=key,
        )
        return found, found.name != name

    async def _last_finished(self, request: ExportRequest, caller: str) -> str:
        found = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[owner_tag(caller), request_tag(request)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=FINAL_STATES)),
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=1,
        )
        return str(found[0].id) if found else ""

    async def _read_deployment(self) -> DeploymentResponse:
        if self._deployment is None:
            self._deployment = await self._client.read_deployment_by_name(self._settings.deployment)
        return self._deployment

    async def _read_run(self, job_id: str) -> FlowRun | None:
        try:
            return await self._client.read_flow_run(UUID(job_id))
        except ObjectNotFound:
            return None

    async def _read_standings(self, run_ids: Sequence[UUID]) -> dict[str, Standing]:
        if not run_ids:
            return {}
        found = await self._client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids)),
                type=ArtifactFilterType(any_=["progress"]),
            )
        )
        standings = {str(artifact.flow_run_id): from_metadata(artifact.metadata_) for artifact in found}
        return {run_id: standing for run_id, standing in standings.items() if standing is not None}

    def _as_job(self, found: FlowRun, standings: Mapping[str, Standing]) -> Job:
        return Job(self._as_run(found), standings.get(str(found.id), Standing()))

    def _as_run(self, found: FlowRun) -> Run:
        state = found.state
        request: Any = found.parameters.get("request")
        return Run(
            id=str(found.id),
            name=found.name,
            state_type=state.type.value if state else "SCHEDULED",
            state_name=(state.name if state else None) or "",
            state_message=(state.message if state else None) or "",
            request=request if isinstance(request, dict) else {},
            tags=frozenset(found.tags),
            attempt=found.run_count,
            attempts_left=found.run_count < self._settings.attempts,
            created_at=cast("datetime | None", found.created) or datetime.now(UTC),
            started_at=found.start_time,
            finished_at=found.end_time,
        )

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Prefect answers somebody soon, or the caller hears in words that it does not."""
        latest = asyncio.get_running_loop().time() + LONGEST_WAIT_SECONDS
        try:
            async with asyncio.timeout(self._settings.outage_seconds) as limit:
                self._waiting[limit] = latest
                try:
                    yield
                finally:
                    del self._waiting[limit]
        except ObjectNotFound as error:
            self._deployment = None
            raise Unavailable(f"The deployment {self._settings.deployment}") from error
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unavailable("The job server") from error


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _ended_without_receipt(found: FlowRun, standings: Mapping[str, Standing]) -> bool:
    """The progress may have been read before the state: it must be read again."""
    standing = standings.get(str(found.id))
    return found.state_type in FINAL_STATES and (standing is None or standing.receipt is None)


def _caller_of(found: FlowRun) -> str:
    """A run that an operator started in the Prefect UI has no owner and is the local caller's."""
    return next((tag[len("owner:") :] for tag in found.tags if tag.startswith("owner:")), LOCAL_CALLER)
