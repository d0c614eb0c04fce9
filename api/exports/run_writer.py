"""Starts flow runs for callers, stops them, and forgets them."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from api.access.rate_limits import Admission
from api.exports.flow_run_job import (
    as_job,
    caller_of,
    forgotten,
    owner_tag,
    report_tag,
    request_tag,
    run_parameters,
)
from api.exports.job import Job
from api.exports.run_reader import RunReader
from api.prefect_server import JobServer
from flows import tracing
from flows.query.request import ExportRequest

KEY_LIFE = timedelta(hours=24)


class KeyReused(Exception):
    """The Idempotency-Key came earlier with another request."""


class RunWriter:
    def __init__(self, server: JobServer, reader: RunReader, admission: Admission, attempts: int) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts
        self._reader, self._admission = reader, admission
        self._starting: dict[str, asyncio.Task[tuple[Job, bool]]] = {}

    async def start(
        self,
        request: ExportRequest,
        caller: str,
        key: str | None,
        now: datetime,
        tags: Sequence[str] = (),
    ) -> tuple[Job, bool]:
        """The job, and whether it is an earlier one: same key, or same request still going on.

        LimitReached where that would be one more than the caller may have.
        """
        flight = _hash(caller, key or "", request.fingerprint)
        if (going := self._starting.get(flight)) is not None:  # many clicks at once are one call
            return (await asyncio.shield(going))[0], True
        going = asyncio.create_task(self._start(request, caller, key, now, tags))
        self._starting[flight] = going
        going.add_done_callback(lambda _: self._starting.pop(flight))
        return await asyncio.shield(going)

    async def cancel(self, job: Job) -> bool:
        """False when it had ended before."""
        async with self._server.answering():
            state: State[Any] = Cancelling()
            answer = await self._client.set_flow_run_state(UUID(job.run.id), state)
        # What no worker has claimed yet Prefect sends straight on to Cancelled.
        return answer.state is not None and answer.state.type in (StateType.CANCELLING, StateType.CANCELLED)

    async def forget(self, job: Job) -> None:
        """Removes the record; where work still goes on, stops it and leaves the record to the sweep."""
        run_id = UUID(job.run.id)
        async with self._server.answering():
            try:
                if job.finished:
                    await self._client.delete_flow_run(run_id)
                else:
                    await self._client.update_flow_run(run_id, tags=forgotten(sorted(job.run.tags)))
                    await self._client.set_flow_run_state(run_id, Cancelling())
            except ObjectNotFound:
                return  # somebody was faster

    async def _start(
        self,
        request: ExportRequest,
        caller: str,
        key: str | None,
        now: datetime,
        tags: Sequence[str],
    ) -> tuple[Job, bool]:
        async with self._server.answering():
            oldest = now - KEY_LIFE if key is not None else None
            with self._admission.entry(caller) as entry:
                own_key, queued = await asyncio.gather(
                    self._own_key(request, caller, key), self._reader.queued(caller, now)
                )
                refusal = self._admission.refusal(entry, caller, queued)
                if refusal is not None and not await self._is_replay(own_key, oldest):
                    raise refusal
                found, replayed = await self._create(request, caller, own_key, oldest, tags)
                entry.started = not replayed
            if key is not None and replayed and request_tag(request) not in found.tags:
                raise KeyReused
            return as_job(found, {}, self._attempts), replayed

    async def _own_key(self, request: ExportRequest, caller: str, key: str | None) -> str:
        if key is not None:
            return _hash(caller, "key", key)
        return _hash(caller, "request", request.fingerprint, await self._last_finished(request, caller))

    async def _create(
        self, request: ExportRequest, caller: str, key: str, oldest: datetime | None, tags: Sequence[str]
    ) -> tuple[FlowRun, bool]:
        """Prefect never releases a key; a run that no longer answers for it hands it on."""
        while True:
            found, replayed = await self._create_by(request, caller, key, tags)
            if not replayed or _answers(found, oldest):
                return found, replayed
            key = _handed_on(key, found)

    async def _is_replay(self, key: str, oldest: datetime | None) -> bool:
        """Whether `_create` would find a run rather than make one."""
        while (found := await self._reader.run_with_key(key)) is not None:
            if _answers(found, oldest):
                return True
            key = _handed_on(key, found)
        return False

    async def _create_by(
        self, request: ExportRequest, caller: str, key: str, tags: Sequence[str]
    ) -> tuple[FlowRun, bool]:
        # The name is ours alone: a run that comes back under another one was there before.
        name = f"{request.report.name}-{secrets.token_hex(6)}"
        found = await self._client.create_flow_run_from_deployment(
            (await self._server.deployment()).id,
            parameters=run_parameters(request),
            name=name,
            tags=[owner_tag(caller), report_tag(request.report.name), request_tag(request), *tags],
            idempotency_key=key,
            labels=tracing.trace_labels(),
        )
        return found, found.name != name

    async def _last_finished(self, request: ExportRequest, caller: str) -> str:
        found = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[owner_tag(caller), request_tag(request)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=1,
        )
        return str(found[0].id) if found else ""


def _answers(found: FlowRun, oldest: datetime | None) -> bool:
    """For its key: a run that was deleted, or made before `oldest`, does not."""
    too_old = oldest is not None and found.created is not None and found.created < oldest
    return not too_old and caller_of(found) is not None


def _handed_on(key: str, found: FlowRun) -> str:
    return _hash(key, str(found.id))


def caller_key(*parts: str) -> str:
    """What Prefect keeps in place of a caller's Idempotency-Key."""
    return _hash(*parts)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
