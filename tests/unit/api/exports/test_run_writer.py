"""Test which run is returned for an idempotency key.

The fake Prefect client works in memory and counts requests.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType

from api.access.caller import Caller
from api.access.rate_limits import Admission, LimitReached, Quota, Rate, Throttle
from api.access.recent_counts import RecentCounts
from api.exports.job import Job
from api.exports.request_keys import KEY_LIFE, KEY_SLOTS, KeyReused
from api.exports.run_writer import RunWriter
from flows.query.request import ExportRequest, parse_request
from flows.reports import catalog
from flows.runs.tags import DELETED_TAG
from tests.support.clock import NOON
from tests.support.prefect_job import WHOLE
from tests.support.prefect_job import job as finished_job

ADA = Caller("ada")
BODY = {"surveyId": "668b6fa3b8d693cd865b44bb", "from": "2024-7-19", "to": "2024-7-26"}


@dataclass
class Prefect:
    """Fake that replaces the Prefect client, server and run reader, and counts requests."""

    now: datetime = NOON
    runs: dict[UUID, FlowRun] = field(default_factory=dict)
    artifacts: list[UUID] = field(default_factory=list)
    queue: int = 0
    requests: int = 0
    is_down: bool = False

    @property
    def client(self) -> "Prefect":
        return self

    def answering(self) -> AbstractAsyncContextManager[None]:
        return cast(AbstractAsyncContextManager[None], nullcontext())

    async def deployment(self) -> SimpleNamespace:
        return SimpleNamespace(id=uuid4())

    async def queued(self, *_: Any) -> int:
        self.requests += 1
        return self.queue

    async def create_flow_run_from_deployment(
        self, _: UUID, name: str, tags: list[str], idempotency_key: str, **fields: Any
    ) -> FlowRun:
        self.requests += 1
        for run in self.runs.values():
            if run.idempotency_key == idempotency_key:
                return run
        run = FlowRun(
            id=uuid4(),
            name=name,
            flow_id=uuid4(),
            created=self.now,
            expected_start_time=self.now,
            tags=tags,
            labels=fields["labels"],
            idempotency_key=idempotency_key,
            parameters=fields["parameters"],
            state=State(type=StateType.SCHEDULED),
            state_type=StateType.SCHEDULED,
        )
        self.runs[run.id] = run
        return run

    async def runs_with_keys(self, keys: list[str]) -> dict[str, FlowRun]:
        self.requests += 1
        return {run.idempotency_key: run for run in self.runs.values() if run.idempotency_key in keys}

    async def update_flow_run(self, run_id: UUID, name: str, tags: list[str] | None = None, **_: Any) -> None:
        self.requests += 1
        if self.is_down:
            raise httpx.ConnectError("down")
        run = self.runs[run_id]
        self.runs[run_id] = run.model_copy(update={"tags": run.tags if tags is None else tags, "name": name})

    async def set_flow_run_state(self, *_: Any) -> None:
        pass

    async def read_artifacts(self, **_: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=artifact_id) for artifact_id in self.artifacts]

    async def delete_artifact(self, artifact_id: UUID) -> None:
        self.artifacts.remove(artifact_id)

    async def delete_flow_run(self, run_id: UUID) -> None:
        del self.runs[run_id]

    async def read_flow_runs(self, flow_run_filter: FlowRunFilter, **_: Any) -> list[FlowRun]:
        assert flow_run_filter.name is not None
        name = flow_run_filter.name.like_ or ""
        return [run for run in self.runs.values() if name in run.name and run.name.startswith("export.")]


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def writer(prefect: Prefect) -> RunWriter:
    throttle = Throttle(Rate(per_second=1000, burst=1000), lambda: 0.0, "Too many exports started.")
    admission = Admission(Quota.of_waiting_exports(50), throttle)
    parts: Any = prefect
    # The clock moves on by a second with each call, so that each start counts the queue again.
    queued = RecentCounts(prefect.queued, 50, itertools.count().__next__)
    return RunWriter(parts, parts, admission, queued, attempts=3)


def request(**changes: Any) -> ExportRequest:
    return parse_request(BODY | changes, catalog(("flows.samples",)))


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def start() -> Any:
        return await work()

    return asyncio.run(start())


def started(writer: RunWriter, key: str | None, now: datetime = NOON, **changes: Any) -> tuple[Job, bool]:
    return cast("tuple[Job, bool]", run(lambda: writer.start(request(**changes), ADA, key, now)))


@pytest.mark.parametrize("key", ["k", None])
def test_starts_and_deletions_with_one_key_stay_cheap(
    prefect: Prefect, writer: RunWriter, key: str | None
) -> None:
    ids, costs = set(), []
    for _ in range(32):
        before = prefect.requests
        job, replayed = started(writer, key)
        costs.append(prefect.requests - before)
        assert not replayed
        ids.add(job.run.id)
        run(lambda job=job: writer.mark_deleted(job))
        prefect.now += timedelta(seconds=1)
    assert len(ids) == 32
    assert max(costs) <= 6


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("deleted", [0, 1, 2])
def test_a_key_returns_its_run(prefect: Prefect, writer: RunWriter, key: str | None, deleted: int) -> None:
    for _ in range(deleted):
        job, _ = started(writer, key)
        run(lambda job=job: writer.mark_deleted(job))
        prefect.now += timedelta(seconds=1)
    first, replayed = started(writer, key)
    assert not replayed
    assert [started(writer, key)[1] for _ in range(3)] == [True] * 3
    assert started(writer, key)[0].run.id == first.run.id


@pytest.mark.parametrize(("age", "is_kept"), [(timedelta(seconds=5), True), (timedelta(hours=1), False)])
def test_the_sweep_deletes_a_run_that_has_just_ended(
    prefect: Prefect, writer: RunWriter, age: timedelta, is_kept: bool
) -> None:
    run_id = UUID(started(writer, "k")[0].run.id)
    prefect.artifacts = [uuid4(), uuid4()]
    ended = finished_job("COMPLETED", WHOLE, id=str(run_id), finished_at=NOON)
    run(lambda: writer.mark_deleted(ended))
    run(lambda: writer.delete_record(ended, NOON + age))
    assert prefect.artifacts == []
    assert (run_id in prefect.runs) == is_kept
    assert all(DELETED_TAG in flow_run.tags for flow_run in prefect.runs.values())


@pytest.mark.parametrize(
    ("state", "is_kept"), [("COMPLETED", False), ("SCHEDULED", False), ("RUNNING", True), ("PENDING", True)]
)
def test_webhooks_about_a_deleted_export_are_deleted_unless_they_are_being_sent(
    prefect: Prefect, writer: RunWriter, state: str, is_kept: bool
) -> None:
    run_id = UUID(started(writer, "k")[0].run.id)
    other = FlowRun(id=uuid4(), name=f"export.done {uuid4()}", flow_id=uuid4())
    delivery = FlowRun(id=uuid4(), name=f"export.done {run_id}", flow_id=uuid4(), state_type=StateType(state))
    prefect.runs |= {run.id: run for run in (other, delivery)}
    ended = finished_job("COMPLETED", WHOLE, id=str(run_id), finished_at=NOON)
    run(lambda: writer.delete_record(ended, NOON + timedelta(hours=1)))
    assert other.id in prefect.runs
    assert (delivery.id in prefect.runs) == is_kept
    assert (run_id in prefect.runs) == is_kept, "the sweep finds the delivery by the run"


@pytest.mark.parametrize("deleted", [1, 16, 17, 40])
def test_a_key_finds_its_run_after_the_records_of_earlier_runs_are_gone(
    prefect: Prefect, writer: RunWriter, deleted: int
) -> None:
    for _ in range(deleted):
        job, _ = started(writer, "k")
        run(lambda job=job: writer.mark_deleted(job))
    earlier = set(prefect.runs)
    job, _ = started(writer, "k")
    for run_id in earlier:  # as the sweep does
        del prefect.runs[run_id]
    again, replayed = started(writer, "k")
    assert (again.run.id, replayed) == (job.run.id, True)


def test_a_key_that_was_used_too_often_is_rejected(prefect: Prefect, writer: RunWriter) -> None:
    for _ in range(KEY_SLOTS):
        job, _ = started(writer, "k")
        run(lambda job=job: writer.mark_deleted(job))
    with pytest.raises(KeyReused, match="already used for 100 exports"):
        started(writer, "k")
    del prefect.runs[UUID(job.run.id)]
    assert not started(writer, "k")[1]


@pytest.mark.parametrize("is_down", [False, True])
def test_a_new_run_has_its_report_and_id_as_name(prefect: Prefect, writer: RunWriter, is_down: bool) -> None:
    prefect.is_down = is_down
    job, replayed = started(writer, "k")
    assert not replayed
    assert (prefect.runs[UUID(job.run.id)].name == f"survey-responses-{job.run.id}") is not is_down
    assert started(writer, "k")[1]


def test_a_key_is_bound_to_its_request(writer: RunWriter) -> None:
    started(writer, "k")
    with pytest.raises(KeyReused):
        started(writer, "k", name="other")


def test_a_key_returns_a_run_of_an_earlier_version(prefect: Prefect, writer: RunWriter) -> None:
    first, _ = started(writer, "k")
    tag = f"request:{request().fingerprint[:32]}"
    run_id = UUID(first.run.id)
    prefect.runs[run_id] = prefect.runs[run_id].model_copy(update={"labels": {}, "tags": [tag, "owner:ada"]})
    assert started(writer, "k")[0].run.id == first.run.id


def test_a_key_is_free_after_its_life(prefect: Prefect, writer: RunWriter) -> None:
    first, _ = started(writer, "k")
    prefect.now = later = NOON + KEY_LIFE + timedelta(seconds=1)
    second, replayed = started(writer, "k", later)
    assert (second.run.id == first.run.id, replayed) == (False, False)
    assert started(writer, "k", later)[0].run.id == second.run.id


def test_a_full_queue_allows_only_replays(prefect: Prefect, writer: RunWriter) -> None:
    first, _ = started(writer, "k")
    prefect.queue = 50
    assert started(writer, "k")[0].run.id == first.run.id
    with pytest.raises(LimitReached):
        started(writer, "other")


def test_concurrent_starts_after_deletions_share_a_run(prefect: Prefect, writer: RunWriter) -> None:
    job, _ = started(writer, "k")
    run(lambda: writer.mark_deleted(job))

    async def start_many() -> list[tuple[Job, bool]]:
        return await asyncio.gather(*(writer.start(request(), ADA, "k", NOON) for _ in range(5)))

    jobs = run(start_many)
    assert len({job.run.id for job, _ in jobs}) == 1
    assert [replayed for _, replayed in jobs].count(False) == 1
