"""Test that Prefect is read only once per tick, regardless of the number of polls."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from api.exports import poll_watcher
from api.exports.job import Job
from api.exports.poll_watcher import DROPPED_AFTER_SECONDS, CachedJob, PollWatcher
from api.exports.run_reader import StateChange
from api.web.problems import Unavailable
from flows.runs.receipt import RunProgress
from tests.support.prefect_job import HALF, JOB_ID, WHOLE, job

OWNER = "local"


def numbered(number: int) -> Job:
    running = job("RUNNING", HALF)
    return replace(running, run=replace(running.run, id=f"{number:08x}{JOB_ID[8:]}"))


@dataclass
class FakeRuns:
    """Fake run reader that returns preset jobs and counts the reads."""

    jobs: dict[str, Job] = field(default_factory=dict)
    single_reads: int = 0
    batches: list[list[str]] = field(default_factory=list)
    down: bool = False
    changed: asyncio.Queue[StateChange] = field(default_factory=asyncio.Queue)

    async def read(self, job_id: str, caller: str) -> Job | None:
        self.single_reads += 1
        await asyncio.sleep(0)
        self._raise_if_down()
        return self.jobs.get(job_id) if caller == OWNER else None

    async def read_many(self, job_ids: Sequence[str]) -> dict[str, Job]:
        self.batches.append(list(job_ids))
        self._raise_if_down()
        return {job_id: self.jobs[job_id] for job_id in job_ids if job_id in self.jobs}

    async def changes(self) -> AsyncIterator[StateChange]:
        while True:
            yield await self.changed.get()

    def put(self, *jobs: Job) -> None:
        self.jobs.update({job.run.id: job for job in jobs})

    def _raise_if_down(self) -> None:
        if self.down:
            raise Unavailable("The job server")


@dataclass
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def runs() -> FakeRuns:
    fake = FakeRuns()
    fake.put(job("RUNNING", HALF))
    return fake


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def watched(runs: Any, clock: Seconds) -> PollWatcher:
    return PollWatcher(runs, clock)


def test_polls_of_many_jobs_share_one_read(runs: FakeRuns, watched: PollWatcher) -> None:
    jobs = [numbered(n) for n in range(20)]
    runs.put(*jobs)

    async def poll_all() -> None:
        for _ in range(3):
            await asyncio.gather(*(watched.read(job.run.id, OWNER) for job in jobs for _ in range(100)))
            await watched.read_once()

    asyncio.run(poll_all())
    assert runs.single_reads == len(jobs)
    assert [len(batch) for batch in runs.batches] == [20, 20, 20]


def test_polls_return_the_last_read(runs: FakeRuns, watched: PollWatcher) -> None:
    async def scenario() -> list[CachedJob | None]:
        first = await watched.read(JOB_ID, OWNER)
        runs.put(job("COMPLETED", WHOLE))
        before = await watched.read(JOB_ID, OWNER)
        await watched.read_once()
        return [first, before, await watched.read(JOB_ID, OWNER)]

    responses = asyncio.run(scenario())
    assert [cached.job.status for cached in responses if cached] == ["running", "running", "done"]


def test_a_final_job_is_not_read_again(runs: FakeRuns, watched: PollWatcher) -> None:
    runs.put(job("COMPLETED", WHOLE))

    async def scenario() -> None:
        for _ in range(5):
            await watched.read(JOB_ID, OWNER)
            await watched.read_once()

    asyncio.run(scenario())
    assert (runs.single_reads, runs.batches) == (1, [])


def test_jobs_of_others_look_like_unknown_jobs(watched: PollWatcher) -> None:
    async def scenario() -> list[CachedJob | None]:
        early = await watched.read(JOB_ID, "another")
        assert await watched.read(JOB_ID, OWNER)
        return [early, await watched.read(JOB_ID, "another"), await watched.read(numbered(7).run.id, OWNER)]

    assert asyncio.run(scenario()) == [None, None, None]


def test_jobs_are_dropped_when_they_are_no_longer_polled(
    runs: FakeRuns, watched: PollWatcher, clock: Seconds
) -> None:
    runs.put(polled := numbered(1))

    async def scenario() -> None:
        for job_id in (JOB_ID, polled.run.id):
            await watched.read(job_id, OWNER)
        clock.now += DROPPED_AFTER_SECONDS - 1
        await watched.read(polled.run.id, OWNER)
        clock.now += 2
        await watched.read_once()

    asyncio.run(scenario())
    assert runs.batches == [[polled.run.id]]


def test_the_number_of_watched_jobs_is_limited(
    runs: FakeRuns, watched: PollWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_watcher, "MAX_WATCHED", 10)
    for number in range(25):
        watched.watch(numbered(number), OWNER)
    asyncio.run(watched.read_once())
    assert runs.batches == [[numbered(number).run.id for number in range(15, 25)]]


def test_a_deleted_job_becomes_unknown(runs: FakeRuns, watched: PollWatcher) -> None:
    async def scenario() -> CachedJob | None:
        await watched.read(JOB_ID, OWNER)
        runs.jobs.clear()
        await watched.read_once()
        return await watched.read(JOB_ID, OWNER)

    assert asyncio.run(scenario()) is None


def test_without_prefect_known_jobs_are_stale_and_others_unavailable(
    runs: FakeRuns, watched: PollWatcher
) -> None:
    async def scenario() -> list[CachedJob | None]:
        runs.put(done := replace(numbered(1), run=replace(job("COMPLETED").run, id=numbered(1).run.id)))
        runs.put(replace(done, progress=WHOLE))
        for job_id in (JOB_ID, done.run.id):
            await watched.read(job_id, OWNER)
        runs.down = True
        await watched.read_once()
        with pytest.raises(Unavailable):
            await watched.read(numbered(7).run.id, OWNER)
        away = [await watched.read(JOB_ID, OWNER), await watched.read(done.run.id, OWNER)]
        runs.down = False
        await watched.read_once()
        return [*away, await watched.read(JOB_ID, OWNER)]

    responses = asyncio.run(scenario())
    assert [cached.stale for cached in responses if cached] == [True, False, False]


def test_a_long_poll_returns_when_the_job_changes(runs: FakeRuns, watched: PollWatcher) -> None:
    async def scenario() -> bool:
        await watched.read(JOB_ID, OWNER)
        waiting = asyncio.create_task(watched.wait_for_change(JOB_ID, 60))
        await watched.read_once()
        await asyncio.sleep(0)
        unchanged = waiting.done()
        runs.put(job("RUNNING", RunProgress(51, 212, 417, HALF.snapshot_at)))
        await watched.read_once()
        async with asyncio.timeout(5):
            await waiting
        return unchanged

    assert asyncio.run(scenario()) is False


def test_a_long_poll_of_a_final_or_unknown_job_returns_at_once(runs: FakeRuns, watched: PollWatcher) -> None:
    runs.put(job("COMPLETED", WHOLE))

    async def scenario() -> None:
        await watched.read(JOB_ID, OWNER)
        async with asyncio.timeout(5):
            await watched.wait_for_change(JOB_ID, 60)
            await watched.wait_for_change(numbered(7).run.id, 60)

    asyncio.run(scenario())


def test_an_event_triggers_a_read(
    runs: FakeRuns, watched: PollWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_watcher, "TICK_SECONDS", 3600.0)

    async def scenario() -> CachedJob | None:
        await watched.read(JOB_ID, OWNER)
        async with watched.watching(), asyncio.timeout(5):
            runs.put(job("COMPLETED", WHOLE))
            runs.changed.put_nowait(StateChange(JOB_ID, ended=True))
            await watched.wait_for_change(JOB_ID, 60)
        return await watched.read(JOB_ID, OWNER)

    cached = asyncio.run(scenario())
    assert cached is not None
    assert cached.job.status == "done"


def test_without_events_the_tick_reads(
    runs: FakeRuns, watched: PollWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_watcher, "TICK_SECONDS", 0.01)

    async def scenario() -> None:
        await watched.read(JOB_ID, OWNER)
        async with watched.watching(), asyncio.timeout(5):
            runs.put(job("COMPLETED", WHOLE))
            await watched.wait_for_change(JOB_ID, 60)

    asyncio.run(scenario())


def queued(number: int) -> Job:
    waiting = job("SCHEDULED", RunProgress())
    return replace(waiting, run=replace(waiting.run, id=f"{number:08x}{JOB_ID[8:]}"))


def test_a_tick_reads_running_and_changed_jobs(runs: FakeRuns, watched: PollWatcher, clock: Seconds) -> None:
    runs.put(waiting := queued(1), starting := queued(2))

    async def scenario() -> None:
        for job_id in (JOB_ID, waiting.run.id, starting.run.id):
            await watched.read(job_id, OWNER)
        await watched._read_due()
        clock.now += poll_watcher.TICK_SECONDS
        watched._note(StateChange(starting.run.id, ended=False))
        await watched._read_due()
        clock.now += poll_watcher.FULL_READ_SECONDS
        await watched._read_due()

    asyncio.run(scenario())
    everything = [JOB_ID, waiting.run.id, starting.run.id]
    assert runs.batches == [everything, [JOB_ID, starting.run.id], everything]


def test_a_job_that_still_seems_to_run_after_its_end_is_read_again(
    runs: FakeRuns, watched: PollWatcher
) -> None:
    async def scenario() -> None:
        await watched.read(JOB_ID, OWNER)
        await watched._read_due()
        watched._note(StateChange(JOB_ID, ended=True))
        for _ in range(4):
            await watched._read_due()

    asyncio.run(scenario())
    assert runs.batches == [[JOB_ID]] * 3
