"""Store schedules in Prefect as deployments of the export flow."""

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from secrets import token_hex
from typing import Any, cast
from uuid import UUID, uuid4, uuid5
from weakref import WeakValueDictionary

import httpx
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentScheduleUpdate,
    DeploymentUpdate,
)
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import DeploymentSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from api.access.caller import LOCAL_CALLER, Caller
from api.access.catalog import Catalog
from api.access.rate_limits import Limits
from api.exports.flow_run_job import as_job, owner_tag, report_tag, rights_parameter, schedule_tag
from api.exports.job import Job
from api.exports.request_keys import KEY_LIFE, KeyReused, caller_key, key_in_slot
from api.exports.run_reader import RunReader
from api.exports.run_writer import name_run
from api.prefect_server import JobServer
from api.schedules import timetable
from api.schedules.deployment import StoredSchedule, as_stored_schedule, deployment_name, owner_of
from api.schedules.spec import ScheduleSpec
from api.web.problems import Unavailable
from flows import tracing
from flows.query.row_rights import Rights
from flows.runs.tags import FOLLOW_UP
from flows.schedules.failure_streak import AutoPause

MAX_PER_READ = 200  # Prefect returns at most 200 items per request
_KEY_NAMESPACE = UUID("6f0f5a4e-3c1d-4a55-9d0a-7f1f2f1f6b90")

logger = logging.getLogger(__name__)


class ScheduleStore:
    def __init__(
        self,
        server: JobServer,
        reader: RunReader,
        catalog: Catalog,
        limits: Limits,
        attempts: int,
    ) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts
        self._reader, self._catalog, self._limits = reader, catalog, limits
        self._creating: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self, spec: ScheduleSpec, caller: Caller, key: str | None, body: object, now: datetime
    ) -> tuple[StoredSchedule, bool]:
        """Create a schedule. Return it and whether it already existed.

        If a schedule was created with the same idempotency key and body, that schedule is returned. Raises
        KeyReused if the key was used with a different body, and LimitReached if the caller has reached a
        limit.
        """
        version = caller_key(caller.name, json.dumps(body, sort_keys=True))
        space = caller.idempotency_space
        schedule_id = str(uuid5(_KEY_NAMESPACE, caller_key(space, key)) if key is not None else uuid4())
        # Without the lock, the second of two concurrent requests would overwrite the first request's
        # deployment.
        async with self._creating.setdefault(schedule_id, asyncio.Lock()):
            if key is not None and (earlier := await self.read(schedule_id, caller.name)) is not None:
                # A key with more rights may have changed the schedule, so check the caller's access.
                if earlier.version != version or not self._catalog.covers(caller, earlier):
                    raise KeyReused
                return earlier, True
            with self._limits.schedules.entry(caller.name) as entry:
                count = await self.count(caller.name)
                if (refusal := self._limits.schedules.refusal(entry, caller.name, count)) is not None:
                    raise refusal
                stored = await self._create(spec, caller, schedule_id, version, now)
                entry.started = True
            return stored, False

    async def _create(
        self, spec: ScheduleSpec, caller: Caller, schedule_id: str, version: str, now: datetime
    ) -> StoredSchedule:
        async with self._server.answering():
            shipped = await self._server.deployment()
            deployment_id = await self._client.create_deployment(
                flow_id=shipped.flow_id,
                name=deployment_name(spec.name, schedule_id),
                description=spec.name,
                version=version,
                tags=_tags(spec, caller.name, schedule_id),
                parameters=_parameters(spec, now, not caller.sees_pii, caller.rights),
                schedules=[
                    DeploymentScheduleCreate(
                        schedule=timetable.as_schedule(spec.recurrence),
                        active=spec.enabled,
                        slug=spec.recurrence.kind,
                    )
                ],
                entrypoint=shipped.entrypoint,
                path=shipped.path,
                work_pool_name=shipped.work_pool_name,
                work_queue_name=shipped.work_queue_name,
                job_variables=shipped.job_variables,
                pull_steps=shipped.pull_steps or [],
                parameter_openapi_schema=shipped.parameter_openapi_schema,
                enforce_parameter_schema=False,
            )
        await self._plan_now(deployment_id)
        return await self._read_again(deployment_id)

    async def read(self, schedule_id: str, caller: str) -> StoredSchedule | None:
        """Return the schedule, or None if it does not exist or belongs to another caller."""
        async with self._server.answering():
            shipped = await self._server.deployment()
            deployment = await self._find(schedule_id)
        if deployment is None or deployment.flow_id != shipped.flow_id or owner_of(deployment) != caller:
            return None
        stored = as_stored_schedule(deployment)
        return stored if stored is not None and stored.id == schedule_id else None

    async def page(self, caller: Caller, limit: int, start: int) -> tuple[list[StoredSchedule], int | None]:
        """Return a page of schedules, newest first, and the offset of the next page.

        The offset counts all deployments, including those that are not returned. It is None on the last page.
        """
        schedules: list[StoredSchedule] = []
        while True:
            read = await self._read_page(caller.name, start)
            for deployment in read:
                stored = as_stored_schedule(deployment)
                if (
                    stored is not None
                    and owner_of(deployment) == caller.name
                    and self._catalog.covers(caller, stored)
                ):
                    if len(schedules) == limit:
                        return schedules, start
                    schedules.append(stored)
                start += 1
            if len(read) < MAX_PER_READ:
                return schedules, None

    async def count(self, caller: str) -> int:
        """Return the number of schedules that the caller has created with the API."""
        async with self._server.answering():
            flow = FlowFilter(id=FlowFilterId(any_=[(await self._server.deployment()).flow_id]))
            owned = DeploymentFilter(tags=DeploymentFilterTags(all_=[owner_tag(caller)]))
            filters = {"flows": flow.model_dump(mode="json"), "deployments": owned.model_dump(mode="json")}
            response = await self._client.request("POST", "/deployments/count", json=filters)
            return int(response.json())

    async def change(
        self, stored: StoredSchedule, spec: ScheduleSpec, caller: str, now: datetime
    ) -> StoredSchedule:
        """Update the deployment in one request and delete the runs that were planned from the old schedule.

        Raises LimitReached if the caller exceeds the rate limit. The limit does not apply to changes that
        pause the schedule or leave it paused.
        """
        if spec.enabled:
            self._limits.schedules.throttle.spend(caller)
        kind = spec.recurrence.kind
        renamed = {"replaces": stored.slug} if stored.slug not in (None, kind) else {}
        # Keep the reason for an automatic pause until the schedule is resumed.
        paused = None if spec.enabled else stored.recurring.paused
        update = DeploymentUpdate(
            description=spec.name,
            tags=_tags(spec, caller, stored.id),
            parameters=_parameters(spec, stored.since, stored.masked, stored.rights, paused),
            paused=False,
            schedules=[
                DeploymentScheduleUpdate(
                    schedule=timetable.as_schedule(spec.recurrence),
                    active=spec.enabled,
                    slug=kind,
                    **renamed,
                )
            ],
        )
        async with self._server.answering():
            await self._client.update_deployment(stored.deployment_id, update)
        if spec.enabled:
            await self._plan_now(stored.deployment_id)
        await self._drop_others(stored.deployment_id, spec, now)
        return await self._read_again(stored.deployment_id)

    async def remove(self, stored: StoredSchedule) -> None:
        """Delete the schedule and its planned runs. Keep the runs that have started, and their files.

        Prefect would also delete runs that a caller has requested but no worker has claimed yet. Such runs
        are cancelled instead, so that they stay visible.
        """
        async with self._server.answering():
            for run_id in await self._requested_runs(stored.deployment_id):
                state: State[Any] = Cancelled(message="The schedule of this run was deleted.")
                await self._client.set_flow_run_state(run_id, state)
            with suppress(ObjectNotFound):  # removed by another request
                await self._client.delete_deployment(stored.deployment_id)

    async def run_now(
        self, stored: StoredSchedule, caller: Caller, key: str | None, now: datetime
    ) -> tuple[Job, bool]:
        """Start a run of the schedule immediately. Return its job and whether the job already existed.

        A job with the same idempotency key is reused. Raises LimitReached if the caller has reached a limit,
        and KeyReused if the key has been used for too many runs.
        """
        name = f"{stored.spec.report}-{token_hex(6)}"
        own_key = await self._run_key(stored, caller, key, now) if key is not None else None
        async with self._server.answering():
            with self._limits.starts.entry(caller.name) as entry:
                queued = await self._reader.queued(caller.name, now)
                refusal = self._limits.starts.refusal(entry, caller.name, queued)
                if refusal is not None and not await self._is_replay(own_key):
                    raise refusal
                flow_run = await self._client.create_flow_run_from_deployment(
                    stored.deployment_id,
                    name=name,
                    tags=_tags(stored.spec, caller.name, stored.id),
                    idempotency_key=own_key,
                    labels=tracing.trace_labels(),
                )
                entry.started = flow_run.name == name
                if entry.started:
                    await name_run(self._client, flow_run.id, stored.spec.report)
        return as_job(flow_run, {}, self._attempts), not entry.started

    async def _run_key(self, stored: StoredSchedule, caller: Caller, key: str, now: datetime) -> str:
        parts = (caller.idempotency_space, "schedule", stored.id, key)
        return await key_in_slot(self._reader.runs_with_keys, parts, now - KEY_LIFE)

    async def _is_replay(self, own_key: str | None) -> bool:
        return own_key is not None and bool(await self._reader.runs_with_keys([own_key]))

    async def _drop_others(self, deployment_id: UUID, spec: ScheduleSpec, now: datetime) -> None:
        """Delete planned runs that do not belong to the new schedule.

        Prefect's scheduler may have planned them from the old schedule during the change.
        """
        async with self._server.answering():
            planned = [run for run in await self._waiting(deployment_id) if _is_planned(run, now)]
            last = max((cast(datetime, run.expected_start_time) for run in planned), default=now)
            new = timetable.planned_from(timetable.as_schedule(spec.recurrence), now) if spec.enabled else ()
            slots = await asyncio.to_thread(lambda: set(takewhile(lambda slot: slot <= last, new)))
            for run in planned:
                if run.expected_start_time not in slots:
                    with suppress(ObjectNotFound):
                        await self._client.delete_flow_run(run.id)

    async def _requested_runs(self, deployment_id: UUID) -> list[UUID]:
        """Return the ids of waiting runs that callers have requested."""
        return [run.id for run in await self._waiting(deployment_id) if not run.auto_scheduled]

    async def _waiting(self, deployment_id: UUID) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            ),
            limit=MAX_PER_READ,
        )

    async def _plan_now(self, deployment_id: UUID) -> None:
        """Make Prefect plan the next runs immediately.

        Prefect's scheduler may take up to a minute to plan them, and the first run may be due sooner.
        """
        try:
            async with self._server.answering():
                await self._client.request(
                    "POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json={}
                )
        except (Unavailable, httpx.HTTPError):
            logger.warning(
                "could not plan the runs of deployment %s; Prefect's scheduler will plan them", deployment_id
            )

    async def _read_again(self, deployment_id: UUID) -> StoredSchedule:
        async with self._server.answering():
            stored = as_stored_schedule(await self._client.read_deployment(deployment_id))
        assert stored is not None  # noqa: S101 - the deployment was created with a schedule
        return stored

    async def _find(self, schedule_id: str) -> DeploymentResponse | None:
        tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[schedule_tag(schedule_id)]))
        for deployment in await self._client.read_deployments(deployment_filter=tagged, limit=1):
            return deployment
        with suppress(ObjectNotFound):
            return await self._client.read_deployment(UUID(schedule_id))
        return None

    async def _read_page(self, caller: str, start: int) -> list[DeploymentResponse]:
        tags = DeploymentFilterTags(all_=[owner_tag(caller)]) if caller != LOCAL_CALLER else None
        async with self._server.answering():
            flow_id = (await self._server.deployment()).flow_id
            return await self._client.read_deployments(
                flow_filter=FlowFilter(id=FlowFilterId(any_=[flow_id])),
                deployment_filter=DeploymentFilter(tags=tags) if tags is not None else None,
                sort=DeploymentSort.CREATED_DESC,
                limit=MAX_PER_READ,
                offset=start,
            )


def _is_planned(run: FlowRun, now: datetime) -> bool:
    """Return whether the run was planned by a schedule, is not due yet and has not been attempted."""
    due = run.expected_start_time
    return run.auto_scheduled and run.run_count == 0 and due is not None and due > now


def _tags(spec: ScheduleSpec, caller: str, schedule_id: str) -> list[str]:
    return [owner_tag(caller), report_tag(spec.report), schedule_tag(schedule_id), FOLLOW_UP]


def _parameters(
    spec: ScheduleSpec,
    since: datetime,
    masked: bool,
    rights: Rights | None,
    paused: AutoPause | None = None,
) -> dict[str, Any]:
    recurring = replace(spec.recurring(since), paused=paused)
    parameters = {"request": dict(spec.export), "recurring": recurring.as_parameter()}
    return parameters | ({"mask_pii": True} if masked else {}) | rights_parameter(rights)
