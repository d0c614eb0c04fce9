"""Recurring exports in Prefect: one deployment each, of the same flow, with one schedule."""

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
from api.access.rate_limits import Admission
from api.exports.flow_run_job import as_job, owner_tag, report_tag, schedule_tag
from api.exports.job import Job
from api.exports.run_reader import RunReader
from api.exports.run_writer import KeyReused, caller_key
from api.prefect_server import JobServer
from api.schedules import timetable
from api.schedules.body import RecurringExport
from api.schedules.deployment import NAME_PREFIX, Kept, as_kept, owner_of
from api.web.problems import Unavailable
from flows import tracing
from flows.runs.tags import FOLLOW_UP
from flows.schedules.failure_streak import AutoPause

MOST_PER_READ = 200  # Prefect's own limit
_OF_KEYS = UUID("6f0f5a4e-3c1d-4a55-9d0a-7f1f2f1f6b90")

logger = logging.getLogger(__name__)


class Schedules:
    def __init__(
        self, server: JobServer, reader: RunReader, admission: Admission, deployment: str, attempts: int
    ) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts
        self._reader, self._admission = reader, admission
        self._flow_name = deployment.partition("/")[0]
        self._creating: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self, asked: RecurringExport, caller: Caller, key: str | None, body: object, now: datetime
    ) -> tuple[Kept, bool]:
        """The recurring export, and whether an earlier one answers for the same key and body."""
        masked = [] if caller.sees_pii else ["masked"]
        asked_for = caller_key(caller.name, json.dumps(body, sort_keys=True), *masked)
        schedule_id = str(uuid5(_OF_KEYS, caller_key(caller.name, key)) if key is not None else uuid4())
        # Prefect would let the second of two creates at the same moment overwrite the first.
        async with self._creating.setdefault(schedule_id, asyncio.Lock()):
            if key is not None and (earlier := await self.read(schedule_id, caller.name)) is not None:
                if earlier.version != asked_for:
                    raise KeyReused
                return earlier, True
            return await self._create(asked, caller, schedule_id, asked_for, now), False

    async def _create(
        self, asked: RecurringExport, caller: Caller, schedule_id: str, version: str, now: datetime
    ) -> Kept:
        async with self._server.answering():
            shipped = await self._server.deployment()
            made = await self._client.create_deployment(
                flow_id=shipped.flow_id,
                name=NAME_PREFIX + schedule_id,
                description=asked.name,
                version=version,
                tags=_tags(asked, caller.name, schedule_id),
                parameters=_parameters(asked, now, masked=not caller.sees_pii),
                schedules=[
                    DeploymentScheduleCreate(
                        schedule=timetable.as_schedule(asked.recurrence),
                        active=asked.enabled,
                        slug=asked.recurrence.kind,
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
        await self._plan_now(made)
        return await self._read_again(made)

    async def read(self, schedule_id: str, caller: str) -> Kept | None:
        """None for an unknown id and for another caller's alike."""
        async with self._server.answering():
            shipped = await self._server.deployment()
            found = await self._find(schedule_id)
        if found is None or found.flow_id != shipped.flow_id or owner_of(found) != caller:
            return None
        kept = as_kept(found)
        return kept if kept is not None and kept.id == schedule_id else None

    async def page(self, caller: Caller, limit: int, start: int) -> tuple[list[Kept], int | None]:
        """Newest first, from the deployment number `start` on, and where the next page starts."""
        found: list[Kept] = []
        while True:
            read = await self._read_page(caller.name, start)
            for deployment in read:
                kept = as_kept(deployment)
                if kept is not None and owner_of(deployment) == caller.name and caller.may_see(kept.masked):
                    if len(found) == limit:
                        return found, start
                    found.append(kept)
                start += 1
            if len(read) < MOST_PER_READ:
                return found, None

    async def change(self, kept: Kept, asked: RecurringExport, caller: str, now: datetime) -> Kept:
        """One call: parameters, schedule and pause change together, and runs planned before are dropped."""
        kind = asked.recurrence.kind
        renamed = {"replaces": kept.slug} if kept.slug not in (None, kind) else {}
        # Why it was paused holds until it is resumed.
        paused = None if asked.enabled else kept.recurring.paused
        update = DeploymentUpdate(
            description=asked.name,
            tags=_tags(asked, caller, kept.id),
            parameters=_parameters(asked, kept.since, kept.masked, paused),
            paused=False,
            schedules=[
                DeploymentScheduleUpdate(
                    schedule=timetable.as_schedule(asked.recurrence),
                    active=asked.enabled,
                    slug=kind,
                    **renamed,
                )
            ],
        )
        async with self._server.answering():
            await self._client.update_deployment(kept.deployment_id, update)
        if asked.enabled:
            await self._plan_now(kept.deployment_id)
        await self._drop_others(kept.deployment_id, asked, now)
        return await self._read_again(kept.deployment_id)

    async def remove(self, kept: Kept) -> None:
        """Its planned runs go with it; those that have begun, and files, stay.

        Prefect would remove what somebody has asked for and no worker has taken yet: that ends as cancelled.
        """
        async with self._server.answering():
            for run_id in await self._asked_for(kept.deployment_id):
                state: State[Any] = Cancelled(message="Its recurring export was removed.")
                await self._client.set_flow_run_state(run_id, state)
            with suppress(ObjectNotFound):  # somebody was faster
                await self._client.delete_deployment(kept.deployment_id)

    async def run_now(self, kept: Kept, caller: str, key: str | None, now: datetime) -> tuple[Job, bool]:
        """A job that is planned for this moment, and whether an earlier one answers for the same key;
        LimitReached where it would be one more than the caller may have."""
        name = f"{kept.asked.report}-{token_hex(6)}"
        own_key = caller_key(caller, "schedule", kept.id, key) if key is not None else None
        async with self._server.answering():
            with self._admission.entry(caller) as entry:
                refusal = self._admission.refusal(entry, caller, await self._reader.queued(caller, now))
                if refusal is not None and not await self._is_replay(own_key):
                    raise refusal
                found = await self._client.create_flow_run_from_deployment(
                    kept.deployment_id,
                    name=name,
                    tags=_tags(kept.asked, caller, kept.id),
                    idempotency_key=own_key,
                    labels=tracing.trace_labels(),
                )
                entry.started = found.name == name
        return as_job(found, {}, self._attempts), not entry.started

    async def _is_replay(self, own_key: str | None) -> bool:
        return own_key is not None and await self._reader.run_with_key(own_key) is not None

    async def _drop_others(self, deployment_id: UUID, asked: RecurringExport, now: datetime) -> None:
        """Prefect's scheduler may have planned by the old schedule at the moment in which it changed."""
        async with self._server.answering():
            planned = [run for run in await self._waiting(deployment_id) if _is_planned(run, now)]
            last = max((cast(datetime, run.expected_start_time) for run in planned), default=now)
            new = (
                timetable.planned_from(timetable.as_schedule(asked.recurrence), now) if asked.enabled else ()
            )
            wanted = set(takewhile(lambda slot: slot <= last, new))
            for run in planned:
                if run.expected_start_time not in wanted:
                    with suppress(ObjectNotFound):
                        await self._client.delete_flow_run(run.id)

    async def _asked_for(self, deployment_id: UUID) -> list[UUID]:
        """Runs that wait and that no schedule has planned."""
        return [run.id for run in await self._waiting(deployment_id) if not run.auto_scheduled]

    async def _waiting(self, deployment_id: UUID) -> list[FlowRun]:
        return await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            ),
            limit=MOST_PER_READ,
        )

    async def _plan_now(self, deployment_id: UUID) -> None:
        """Prefect's scheduler would plan the first run within the minute, which may be too late for it."""
        try:
            async with self._server.answering():
                await self._client.request(
                    "POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json={}
                )
        except (Unavailable, httpx.HTTPError):
            logger.warning("deployment %s was not planned at once; Prefect will", deployment_id)

    async def _read_again(self, deployment_id: UUID) -> Kept:
        async with self._server.answering():
            kept = as_kept(await self._client.read_deployment(deployment_id))
        assert kept is not None  # noqa: S101 - it was made with a schedule
        return kept

    async def _find(self, schedule_id: str) -> DeploymentResponse | None:
        with suppress(ObjectNotFound):
            name = f"{self._flow_name}/{NAME_PREFIX}{schedule_id}"
            return await self._client.read_deployment_by_name(name)
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
                limit=MOST_PER_READ,
                offset=start,
            )


def _is_planned(run: FlowRun, now: datetime) -> bool:
    """By a schedule, for later, and not yet tried."""
    due = run.expected_start_time
    return run.auto_scheduled and run.run_count == 0 and due is not None and due > now


def _tags(asked: RecurringExport, caller: str, schedule_id: str) -> list[str]:
    return [owner_tag(caller), report_tag(asked.report), schedule_tag(schedule_id), FOLLOW_UP]


def _parameters(
    asked: RecurringExport, since: datetime, masked: bool, paused: AutoPause | None = None
) -> dict[str, Any]:
    recurring = replace(asked.recurring(since), paused=paused)
    found = {"request": dict(asked.export), "recurring": recurring.as_parameter()}
    return found | ({"mask_pii": True} if masked else {})
