"""Answer polls from a cache, so that the load on Prefect does not grow with the number of polls.

A job is watched from its first poll until it finishes or is no longer polled. Watched jobs are read together
in one batch. Running jobs are read once a second. If a Prefect event reports that a job has ended, the job is
read at once. Queued jobs are read less often, because there may be many of them and events report when they
start. Finished jobs stay cached for a minute.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from api.exports.job import Job
from api.exports.queue_positions import QueuePositions
from api.exports.run_reader import RunReader, StateChange
from api.shared_calls import SharedCalls
from api.web.problems import Unavailable

TICK_SECONDS = 1.0
# All unfinished jobs are read at this interval, in case an event was lost. It must be shorter than
# STALE_AFTER_SECONDS.
FULL_READ_SECONDS = 3.0
# Events arrive in bursts. This pause lets a single read cover a whole burst. After a slow read, the pause is
# twice as long as the read, so that a busy Prefect server has time for starts.
MIN_SECONDS_BETWEEN_READS, MAX_SECONDS_BETWEEN_READS = 0.05, 2.0
PAUSE_PER_READ_SECOND = 2.0
# The event that reports a run's end can arrive before the new state is committed. If the job still appears to
# be unfinished, it is read again.
READS_PER_CHANGE = 2
DROPPED_AFTER_SECONDS = 60.0
# Finished jobs are read again after this time, because another process may delete them or their files.
FINAL_CACHED_SECONDS = 60.0
STALE_AFTER_SECONDS = 5.0
MAX_WATCHED = 20_000
RECONNECT_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass
class Watched:
    """A cached job that belongs to `caller`. Times are in seconds on the event loop's clock."""

    job: Job
    caller: str
    polled_at: float
    read_at: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class CachedJob:
    """The last known state of a job. `stale` is true while Prefect does not respond."""

    job: Job
    stale: bool


class PollWatcher:
    def __init__(self, runs: RunReader, clock: Callable[[], float]) -> None:
        self._runs, self._clock = runs, clock
        self._watched: OrderedDict[str, Watched] = OrderedDict()
        self._reads: SharedCalls[tuple[str, str], Job | None] = SharedCalls()
        self._wake = asyncio.Event()
        self._changed: dict[str, int] = {}  # number of reads left, keyed by job id
        self._tick_at = self._full_read_at = -FULL_READ_SECONDS
        self._stale = False
        self._positions = QueuePositions(runs, clock)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in (self._keep_reading, self._keep_listening)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, job: Job, caller: str) -> None:
        now = self._clock()
        if job.run.id not in self._watched:
            self._positions.add(job, caller)
            self._changed[job.run.id] = 1  # events may have arrived before the job was watched
        self._watched.setdefault(job.run.id, Watched(job, caller, polled_at=now, read_at=now))
        while len(self._watched) > MAX_WATCHED:
            self._watched.popitem(last=False)

    @property
    def watched(self) -> int:
        return len(self._watched)

    def forget(self, job_id: str, caller: str) -> None:
        """Remove the job from the cache and the queue, so that the next poll reads it from Prefect."""
        self._positions.remove(job_id, caller)
        if (watched_job := self._watched.pop(job_id, None)) is not None:
            watched_job.changed.set()

    async def read(self, job_id: str, caller: str) -> CachedJob | None:
        """Return the job, or None if it does not exist or belongs to another caller."""
        watched_job = self._watched.get(job_id)
        if watched_job is None or self._is_old(watched_job):
            return await self._read_again(job_id, caller, watched_job)
        if watched_job.caller != caller:
            return None
        watched_job.polled_at = self._clock()
        self._watched.move_to_end(job_id)
        return CachedJob(watched_job.job, self.is_stale(watched_job.job))

    def is_stale(self, job: Job) -> bool:
        """Return whether the state of an unfinished job may be out of date."""
        watched_job = self._watched.get(job.run.id)
        if job.finished or watched_job is None:
            return False
        return self._stale or self._clock() - watched_job.read_at > STALE_AFTER_SECONDS

    async def position(self, job: Job, caller: str) -> int:
        """Return how many of the caller's exports are ahead of the job in the queue.

        During an outage, this is the last known number.
        """
        if job.status != "queued":
            return 0
        if not self._stale:
            try:
                return await self._positions.read(job, caller)
            except Unavailable:
                self._stale = True
        return self._positions.last_known(job, caller)

    def _is_old(self, watched_job: Watched) -> bool:
        return watched_job.job.finished and self._clock() - watched_job.read_at > FINAL_CACHED_SECONDS

    async def _read_again(self, job_id: str, caller: str, before: Watched | None) -> CachedJob | None:
        try:
            job = await self._reads.run((job_id, caller), lambda: self._runs.read(job_id, caller))
        except Unavailable:
            if before is None or before.caller != caller:
                raise
            return CachedJob(before.job, stale=True)
        if job is None:
            if before is not None and before.caller == caller:
                self.forget(job_id, caller)
            return None
        if before is not None:
            self.forget(job_id, caller)
        self.watch(job, caller)
        return CachedJob(job, stale=False)

    async def wait_for_change(self, job_id: str, seconds: float) -> None:
        """Wait until the job changes or `seconds` have passed."""
        watched_job = self._watched.get(job_id)
        if watched_job is None or watched_job.job.finished:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await watched_job.changed.wait()

    async def read_once(self) -> None:
        """Read the states of all unfinished jobs in one batch."""
        if not self._stale:  # during an outage, a dropped job could not be read again
            self._drop_unpolled()
        self._tick_at = self._full_read_at = self._clock()
        await self._read_jobs(
            [job_id for job_id, watched in self._watched.items() if not watched.job.finished]
        )

    async def _read_due(self) -> None:
        """Read the changed jobs and, once a second, all running jobs.

        Every few seconds, read all unfinished jobs instead.
        """
        now = self._clock()
        if self._stale or now - self._full_read_at >= FULL_READ_SECONDS:
            await self.read_once()
            return
        is_tick = now - self._tick_at >= TICK_SECONDS
        await self._read_jobs(
            [
                job_id
                for job_id, watched in self._watched.items()
                if not watched.job.finished
                and (job_id in self._changed or (is_tick and watched.job.status != "queued"))
            ]
        )
        if is_tick:
            self._tick_at = now

    async def _read_jobs(self, ids: list[str]) -> None:
        changed, self._changed = self._changed, {}
        if not ids:
            return
        try:
            jobs = await self._runs.read_many(ids)
        except Unavailable:
            self._stale = True
            return
        self._stale = False
        for job_id in ids:
            self._update(job_id, jobs.get(job_id))
            self._read_again_later(job_id, changed.get(job_id, 1) - 1)

    def _read_again_later(self, job_id: str, reads: int) -> None:
        watched = self._watched.get(job_id)
        if reads and watched is not None and not watched.job.finished:
            self._changed.setdefault(job_id, reads)
            self._wake.set()

    def _update(self, job_id: str, job: Job | None) -> None:
        watched = self._watched.get(job_id)
        if watched is None:
            return
        if job is None:  # deleted
            del self._watched[job_id]
            self._positions.remove(job_id, watched.caller)
        else:
            watched.read_at = self._clock()
            before, watched.job = watched.job, job
            if job == before:  # heartbeats are not compared, so they do not wake waiting clients
                return
            if job.status != before.status:  # the caller's other exports may have moved up
                self._positions.remove(job_id, watched.caller)
                self._positions.add(job, watched.caller)
        watched.changed.set()
        watched.changed = asyncio.Event()

    def _drop_unpolled(self) -> None:
        limit = self._clock() - DROPPED_AFTER_SECONDS
        while self._watched:
            job_id, oldest = next(iter(self._watched.items()))
            if oldest.polled_at >= limit:
                return
            del self._watched[job_id]

    async def _keep_reading(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            started_at = self._clock()
            try:
                await self._read_due()
            except Exception:
                logger.exception("could not read the watched jobs; will retry")
            pause = PAUSE_PER_READ_SECOND * (self._clock() - started_at)
            await asyncio.sleep(min(max(MIN_SECONDS_BETWEEN_READS, pause), MAX_SECONDS_BETWEEN_READS))

    def _note(self, change: StateChange) -> None:
        if change.run_id not in self._watched:
            return
        self._changed[change.run_id] = READS_PER_CHANGE if change.ended else 1
        if change.ended:  # other changes are read at the next tick
            self._wake.set()

    async def _keep_listening(self) -> None:
        while True:
            try:
                async for change in self._runs.changes():
                    self._note(change)
            except Exception:
                logger.debug("lost the event stream; will reconnect", exc_info=True)
            await asyncio.sleep(RECONNECT_SECONDS)
