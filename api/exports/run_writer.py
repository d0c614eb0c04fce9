"""Start, cancel and delete flow runs for callers."""

import asyncio
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from api.access.caller import Caller
from api.access.rate_limits import Admission
from api.access.recent_counts import RecentCounts
from api.exports.flow_run_job import (
    as_job,
    is_run_of,
    owner_tag,
    report_tag,
    request_label,
    run_parameters,
    tags_once_deleted,
)
from api.exports.job import Job
from api.exports.request_keys import (
    KEY_LIFE,
    KeyReused,
    answers_for_key,
    caller_key,
    key_in_slot,
    next_number,
)
from api.exports.run_reader import RunReader
from api.prefect_server import JobServer
from api.web.problems import Unavailable
from flows import tracing
from flows.query.request import ExportRequest
from flows.runs.artifacts import all_filter
from flows.runs.deliveries import DELIVERIES, deliveries_of, is_in_progress
from flows.runs.run_name import run_name
from flows.runs.tags import DELETED_NAME

LOGS_SENT_AFTER = timedelta(seconds=60)  # workers send logs every 2 s, but hold them back during an outage

logger = logging.getLogger(__name__)


class RunWriter:
    def __init__(
        self,
        server: JobServer,
        reader: RunReader,
        admission: Admission,
        queued: RecentCounts,
        attempts: int,
    ) -> None:
        self._server, self._client, self._attempts = server, server.client, attempts
        self._reader, self._admission, self._queued = reader, admission, queued
        self._starting: dict[str, asyncio.Task[tuple[Job, bool]]] = {}

    async def start(
        self,
        request: ExportRequest,
        caller: Caller,
        key: str | None,
        now: datetime,
        tags: Sequence[str] = (),
    ) -> tuple[Job, bool]:
        """Start an export. Return its job and whether the job already existed.

        If the request has an idempotency key, an earlier job with this key is reused. Otherwise, an
        unfinished job with the same request is reused. Raises KeyReused if the key was used with a different
        request, and LimitReached if the caller has reached a limit.
        """
        start_id = caller_key(caller.idempotency_space, key or "", request.fingerprint)
        if (task := self._starting.get(start_id)) is not None:  # join an identical start in progress
            return (await asyncio.shield(task))[0], True
        task = asyncio.create_task(self._start(request, caller, key, now, tags))
        self._starting[start_id] = task
        task.add_done_callback(lambda _: self._starting.pop(start_id))
        return await asyncio.shield(task)

    async def cancel(self, job: Job) -> bool:
        """Cancel the job. Return False if it had already ended."""
        async with self._server.answering():
            state: State[Any] = Cancelling()
            answer = await self._client.set_flow_run_state(UUID(job.run.id), state)
        # If no worker has claimed the run yet, Prefect sets it directly to Cancelled.
        return answer.state is not None and answer.state.type in (StateType.CANCELLING, StateType.CANCELLED)

    async def mark_deleted(self, job: Job) -> None:
        """Hide the job from its owner, remove its request, and cancel it unless it has finished.

        The sweep later deletes any of the job's data that could not be deleted immediately.
        """
        run_id, tags = UUID(job.run.id), tags_once_deleted(sorted(job.run.tags))
        async with self._server.answering():
            with _unless_deleted():
                await self._client.update_flow_run(
                    run_id, name=f"{DELETED_NAME}{run_id}", tags=tags, parameters={"request": {}}
                )
        if not job.finished:
            await self._stop(run_id)

    async def _stop(self, run_id: UUID) -> None:
        try:
            async with self._server.answering():
                with _unless_deleted():
                    await self._client.set_flow_run_state(run_id, Cancelling())
        except Unavailable:
            logger.warning(
                "could not cancel the deleted run %s; the sweep will delete it when it has ended", run_id
            )

    async def delete_record(self, job: Job, now: datetime) -> None:
        """Delete a finished job's artifacts and webhooks, and then its run.

        The artifacts must be deleted because they contain the first rows of the file. The run is deleted
        last, because the sweep uses it to find the remaining data. While a webhook is being sent, the run is
        left to the sweep. The same applies if the job has just ended, because log lines may still arrive.
        Lines that arrive after the run has been deleted would never be removed.
        """
        run_id = UUID(job.run.id)
        async with self._server.answering():
            for artifact in await self._client.read_artifacts(artifact_filter=all_filter(run_id)):
                with _unless_deleted():
                    await self._client.delete_artifact(artifact.id)
            is_complete = await self._delete_deliveries(run_id)
            logs_are_sent = job.run.finished_at is not None and now - job.run.finished_at >= LOGS_SENT_AFTER
            if is_complete and logs_are_sent:
                with _unless_deleted():
                    await self._client.delete_flow_run(run_id)

    async def _delete_deliveries(self, run_id: UUID) -> bool:
        """Delete the webhooks about a run, except those that are being sent.

        Returns False if any webhook is being sent.
        """
        deliveries = await self._client.read_flow_runs(
            flow_filter=DELIVERIES, flow_run_filter=deliveries_of(run_id)
        )
        for delivery in deliveries:
            if not is_in_progress(delivery):
                with _unless_deleted():
                    await self._client.delete_flow_run(delivery.id)
        return not any(map(is_in_progress, deliveries))

    async def _start(
        self,
        request: ExportRequest,
        caller: Caller,
        key: str | None,
        now: datetime,
        tags: Sequence[str],
    ) -> tuple[Job, bool]:
        async with self._server.answering():
            oldest = now - KEY_LIFE if key is not None else None
            with self._admission.entry(caller.name) as entry:
                prefect_key, queued = await asyncio.gather(
                    self._prefect_key(request, caller, key, oldest), self._queued.count(caller.name)
                )
                refusal = self._admission.refusal(entry, caller.name, queued)
                if refusal is not None and not await self._is_replay(prefect_key, oldest):
                    raise refusal
                flow_run, replayed = await self._create(request, caller, key, prefect_key, oldest, tags)
                if not replayed:
                    entry.started = True
                    self._queued.on_start()
            if key is not None and replayed and not is_run_of(request, flow_run):
                raise KeyReused
            return as_job(flow_run, {}, self._attempts), replayed

    async def _prefect_key(
        self, request: ExportRequest, caller: Caller, key: str | None, oldest: datetime | None
    ) -> str:
        """Return the Prefect idempotency key of an existing run to reuse, or an unused key.

        With an Idempotency-Key, a run can be reused for 24 hours. Without one, only an unfinished run is
        reused. Deleted runs are never reused.
        """
        if key is not None and oldest is not None:
            parts = (caller.idempotency_space, "key", key)
            return await key_in_slot(self._reader.runs_with_keys, parts, oldest)

        def numbered(number: int) -> str:
            return caller_key(caller.name, "request", request.fingerprint, str(number))

        async def read_runs(numbers: Sequence[int]) -> dict[int, FlowRun]:
            by_key = await self._reader.runs_with_keys([numbered(number) for number in numbers])
            return {number: by_key[numbered(number)] for number in numbers if numbered(number) in by_key}

        return numbered(await next_number(read_runs))

    async def _create(
        self,
        request: ExportRequest,
        caller: Caller,
        key: str | None,
        prefect_key: str,
        oldest: datetime | None,
        tags: Sequence[str],
    ) -> tuple[FlowRun, bool]:
        """Create a run or find the existing run with this key. Return the run and whether it already existed.

        If the existing run has since been deleted, try the next key.
        """
        while True:
            flow_run, replayed = await self._create_with_key(request, caller, prefect_key, tags)
            if not replayed or answers_for_key(flow_run, oldest):
                return flow_run, replayed
            prefect_key = await self._prefect_key(request, caller, key, oldest)

    async def _is_replay(self, prefect_key: str, oldest: datetime | None) -> bool:
        """Return whether `_create` would return an existing run."""
        run = (await self._reader.runs_with_keys([prefect_key])).get(prefect_key)
        return run is not None and answers_for_key(run, oldest)

    async def _create_with_key(
        self, request: ExportRequest, caller: Caller, key: str, tags: Sequence[str]
    ) -> tuple[FlowRun, bool]:
        # Each call generates a unique name. If Prefect returns a run with a different name, that run already
        # existed.
        name = f"{request.report.name}-{secrets.token_hex(6)}"
        flow_run = await self._client.create_flow_run_from_deployment(
            (await self._server.deployment()).id,
            parameters=run_parameters(request, caller),
            name=name,
            tags=[owner_tag(caller.name), report_tag(request.report.name), *tags],
            idempotency_key=key,
            labels={**tracing.trace_labels(), **request_label(request)},
        )
        if flow_run.name != name:
            return flow_run, True
        await name_run(self._client, flow_run.id, request.report.name)
        return flow_run, False


async def name_run(client: PrefectClient, run_id: UUID, report: str) -> None:
    """Set the name of a new run. If this fails, the run renames itself when it starts."""
    try:
        await client.update_flow_run(run_id, name=run_name(report, run_id))
    except (Unavailable, httpx.HTTPError, ObjectNotFound):
        logger.warning("could not rename run %s; it will rename itself when it starts", run_id)


@contextmanager
def _unless_deleted() -> Iterator[None]:
    """Ignore 404 errors from Prefect, because another request may have deleted the run or artifact."""
    try:
        yield
    except ObjectNotFound:
        pass
    except httpx.HTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
