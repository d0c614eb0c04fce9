"""Coalesces polls: however many clients ask about however many jobs, Prefect is asked once per tick.

A job that is asked about is watched until it is final, or until nobody has asked for a while. Events make a
tick come at once; the tick itself is the safety net. Final jobs are kept for a minute, and cost no call.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from api.exports.job import Job
from api.exports.run_reader import RunReader
from api.web.problems import Unavailable

TICK_SECONDS = 1.0
# Events come in bursts; one read serves all that came meanwhile.
LEAST_SECONDS_BETWEEN_READS = 0.02
FORGOTTEN_AFTER_SECONDS = 60.0
# Another process may have deleted a final job, or its file.
FINAL_KEPT_SECONDS = 60.0
MOST_WATCHED = 20_000
RECONNECT_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass
class Watched:
    """`caller` owns the job; times are the loop's own, in seconds."""

    job: Job
    caller: str
    asked_at: float
    read_at: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class CachedJob:
    """A job as last read; `stale` when Prefect has not answered since."""

    job: Job
    stale: bool


class PollWatcher:
    def __init__(self, runs: RunReader, clock: Callable[[], float]) -> None:
        self._runs, self._clock = runs, clock
        self._watched: OrderedDict[str, Watched] = OrderedDict()
        self._reading: dict[tuple[str, str], asyncio.Future[Job | None]] = {}
        self._wake = asyncio.Event()
        self._stale = False

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
        self._watched.setdefault(job.run.id, Watched(job, caller, asked_at=now, read_at=now))
        while len(self._watched) > MOST_WATCHED:
            self._watched.popitem(last=False)

    @property
    def watched(self) -> int:
        return len(self._watched)

    def forget(self, job_id: str) -> None:
        """It is read anew when somebody asks again."""
        if (found := self._watched.pop(job_id, None)) is not None:
            found.changed.set()

    async def read(self, job_id: str, caller: str) -> CachedJob | None:
        """None for an unknown id and for another caller's alike."""
        found = self._watched.get(job_id)
        if found is None or self._is_old(found):
            return await self._read_anew(job_id, caller, found)
        if found.caller != caller:
            return None
        found.asked_at = self._clock()
        self._watched.move_to_end(job_id)
        return CachedJob(found.job, self._stale and not found.job.finished)

    def _is_old(self, found: Watched) -> bool:
        return found.job.finished and self._clock() - found.read_at > FINAL_KEPT_SECONDS

    async def _read_anew(self, job_id: str, caller: str, before: Watched | None) -> CachedJob | None:
        try:
            job = await self._read_first(job_id, caller)
        except Unavailable:
            if before is None or before.caller != caller:
                raise
            return CachedJob(before.job, stale=True)
        if job is None:
            if before is not None and before.caller == caller:
                self.forget(job_id)
            return None
        if before is not None:
            self.forget(job_id)
        self.watch(job, caller)
        return CachedJob(job, stale=False)

    async def _read_first(self, job_id: str, caller: str) -> Job | None:
        """However many ask at once about a job that is not watched yet, Prefect is asked once."""
        asked = (job_id, caller)
        reading = self._reading.get(asked)
        if reading is None:
            reading = self._reading[asked] = asyncio.ensure_future(self._runs.read(job_id, caller))
            reading.add_done_callback(lambda _: self._reading.pop(asked))
        return await asyncio.shield(reading)

    async def wait_for_change(self, job_id: str, seconds: float) -> None:
        """Until the job is no longer what it was, or so many seconds are over."""
        found = self._watched.get(job_id)
        if found is None or found.job.finished:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await found.changed.wait()

    async def read_once(self) -> None:
        """One batched read of all unfinished jobs."""
        self._forget()
        ids = [job_id for job_id, each in self._watched.items() if not each.job.finished]
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

    def _update(self, job_id: str, job: Job | None) -> None:
        watched = self._watched.get(job_id)
        if watched is None:
            return
        if job is None:  # deleted meanwhile
            del self._watched[job_id]
        else:
            watched.read_at = self._clock()
            before, watched.job = watched.job, job  # the heartbeat is new; it is no change to wait for
            if job == before:
                return
        watched.changed.set()
        watched.changed = asyncio.Event()

    def _forget(self) -> None:
        limit = self._clock() - FORGOTTEN_AFTER_SECONDS
        while self._watched:
            job_id, oldest = next(iter(self._watched.items()))
            if oldest.asked_at >= limit:
                return
            del self._watched[job_id]

    async def _keep_reading(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.read_once()
            except Exception:
                logger.exception("reading the watched jobs failed; trying again")
            await asyncio.sleep(LEAST_SECONDS_BETWEEN_READS)

    async def _keep_listening(self) -> None:
        while True:
            try:
                async for run_id in self._runs.changes():
                    if run_id in self._watched:
                        self._wake.set()
            except Exception:
                logger.debug("the event stream broke; connecting again", exc_info=True)
            await asyncio.sleep(RECONNECT_SECONDS)
