"""Test that polls by the same caller share one read of the queue, and that positions survive an outage."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.exports import queue_positions
from api.exports.job import Job
from api.exports.poll_watcher import PollWatcher
from api.exports.queue_positions import CACHED_SECONDS, QueuePositions
from api.web.problems import Unavailable
from flows.runs.receipt import RunProgress
from tests.support.clock import NOON
from tests.support.prefect_job import JOB_ID, job

OWNER = "local"


def queued(number: int) -> Job:
    run = job("SCHEDULED", RunProgress()).run
    created_at = NOON + timedelta(seconds=number)
    return Job(replace(run, id=f"{number:08x}{JOB_ID[8:]}", created_at=created_at), RunProgress())


@dataclass
class WaitingRuns:
    jobs: list[Job]
    reads: int = 0
    counts: int = 0
    down: bool = False
    other: dict[str, Job] = field(default_factory=dict)

    async def waiting(self, caller: str) -> Mapping[str, datetime]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("The job server")
        return {each.run.id: each.run.created_at for each in self.jobs} if caller == OWNER else {}

    async def waiting_before(self, job: Job, caller: str) -> int:
        self.counts += 1
        return sum(each.run.created_at < job.run.created_at for each in self.jobs)


@dataclass
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def runs() -> WaitingRuns:
    return WaitingRuns([queued(number) for number in range(3)])


async def read_all(positions: QueuePositions, runs: WaitingRuns) -> list[int]:
    return await asyncio.gather(*(positions.read(each, OWNER) for each in runs.jobs))


def test_polls_share_one_read(runs: Any, clock: Seconds) -> None:
    positions = QueuePositions(runs, clock)

    async def poll() -> None:
        for _ in range(3):
            assert await read_all(positions, runs) == [0, 1, 2]
        clock.now += CACHED_SECONDS + 0.1
        assert await read_all(positions, runs) == [0, 1, 2]

    asyncio.run(poll())
    assert runs.reads == 2


def test_another_callers_exports_do_not_count(runs: Any, clock: Seconds) -> None:
    assert asyncio.run(QueuePositions(runs, clock).read(queued(5), "another")) == 0


def test_a_cancelled_export_leaves_the_queue_at_once(runs: Any, clock: Seconds) -> None:
    watcher = PollWatcher(runs, clock)
    first, second, last = runs.jobs
    watcher.watch(second, OWNER)

    async def poll() -> list[int]:
        before = await watcher.position(last, OWNER)
        watcher.forget(first.run.id, OWNER)
        after = await watcher.position(last, OWNER)
        watcher._update(second.run.id, None)  # its record was deleted
        return [before, after, await watcher.position(last, OWNER)]

    assert asyncio.run(poll()) == [2, 1, 0]
    assert runs.reads == 1


def test_changes_during_a_read_are_applied_to_its_result(runs: Any, clock: Seconds) -> None:
    positions = QueuePositions(runs, clock)
    first, _, last = runs.jobs

    async def poll() -> list[int]:
        reading = asyncio.ensure_future(positions.read(last, OWNER))
        await asyncio.sleep(0)
        positions.remove(first.run.id, OWNER)
        positions.add(queued(3), OWNER)
        return [await reading, await positions.read(queued(4), OWNER)]

    assert asyncio.run(poll()) == [1, 3]
    assert runs.reads == 1


def test_a_position_behind_the_first_page_is_counted(
    runs: Any, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_positions, "MAX_PER_READ", 2)
    assert asyncio.run(QueuePositions(runs, clock).read(queued(9), OWNER)) == 3
    assert runs.counts == 1


def test_a_known_job_keeps_its_position_during_an_outage(runs: Any, clock: Seconds) -> None:
    watcher = PollWatcher(runs, clock)
    last = runs.jobs[-1]

    async def poll() -> list[tuple[int, bool]]:
        watcher.watch(last, OWNER)
        polls = [(await watcher.position(last, OWNER), watcher.is_stale(last))]
        runs.down, clock.now = True, clock.now + CACHED_SECONDS + 0.1
        polls += [(await watcher.position(last, OWNER), watcher.is_stale(last)) for _ in range(2)]
        return polls

    assert asyncio.run(poll()) == [(2, False), (2, True), (2, True)]
    assert runs.reads == 2


def test_positions_change_without_a_read_when_an_export_of_the_caller_starts(
    runs: Any, clock: Seconds
) -> None:
    watcher = PollWatcher(runs, clock)
    first, last = runs.jobs[0], runs.jobs[-1]

    async def poll() -> list[int]:
        for each in (first, last):
            watcher.watch(each, OWNER)
        before = await watcher.position(last, OWNER)
        watcher._update(first.run.id, job("RUNNING", id=first.run.id))
        after = await watcher.position(last, OWNER)
        watcher.watch(queued(3), OWNER)
        return [before, after, await watcher.position(queued(4), OWNER)]

    assert asyncio.run(poll()) == [2, 1, 3]
    assert runs.reads == 1


def test_a_position_that_was_never_read_does_not_fail_the_poll(runs: Any, clock: Seconds) -> None:
    watcher = PollWatcher(runs, clock)
    runs.down = True

    async def poll() -> int:
        watcher.watch(runs.jobs[-1], OWNER)
        return await watcher.position(runs.jobs[-1], OWNER)

    assert asyncio.run(poll()) == 0
    assert watcher.is_stale(runs.jobs[-1])
