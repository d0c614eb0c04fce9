"""Compute the positions of queued exports, and cache each caller's queue for a few seconds.

Prefect returns whole runs, so reading a long queue is expensive. Changes that this process learns about are
applied to the cached queue.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api.exports.job import Job
from api.exports.run_reader import MAX_PER_READ, RunReader

CACHED_SECONDS = 3.0
MAX_CALLERS = 10_000


@dataclass(frozen=True)
class _Queue:
    """A caller's waiting exports.

    `waiting` maps the id of each export to its due time. `read_at` is the time at which the queue was read.
    """

    waiting: dict[str, datetime]
    read_at: float

    def change(self, job_id: str, due: datetime | None) -> None:
        """Add the export, or remove it if `due` is None."""
        if due is None:
            self.waiting.pop(job_id, None)
        else:
            self.waiting[job_id] = due


class QueuePositions:
    def __init__(self, runs: RunReader, clock: Callable[[], float]) -> None:
        self._runs, self._clock = runs, clock
        self._queues: dict[str, _Queue] = {}
        self._reading: dict[str, asyncio.Future[_Queue]] = {}
        self._changes: dict[str, dict[str, datetime | None]] = {}  # made during a read, keyed by caller

    async def read(self, job: Job, caller: str) -> int:
        """Return the number of the caller's exports that start before the job.

        Raises Unavailable if Prefect does not respond.
        """
        queue = self._queues.get(caller)
        if queue is None or self._clock() - queue.read_at > CACHED_SECONDS:
            queue = await self._read_once(caller)
        position = position_in(queue.waiting, job)
        return position if position < MAX_PER_READ else await self._runs.waiting_before(job, caller)

    def last_known(self, job: Job, caller: str) -> int:
        queue = self._queues.get(caller)
        return position_in(queue.waiting, job) if queue is not None else 0

    def add(self, job: Job, caller: str) -> None:
        if job.status == "queued":
            self._change(caller, job.run.id, job.run.created_at)

    def remove(self, job_id: str, caller: str) -> None:
        self._change(caller, job_id, None)

    def _change(self, caller: str, job_id: str, due: datetime | None) -> None:
        if (queue := self._queues.get(caller)) is not None:
            queue.change(job_id, due)
        if caller in self._reading:  # the queue that is being read may not include this change
            self._changes.setdefault(caller, {})[job_id] = due

    async def _read_once(self, caller: str) -> _Queue:
        reading = self._reading.get(caller)
        if reading is None:
            reading = self._reading[caller] = asyncio.ensure_future(self._read(caller))
        return await asyncio.shield(reading)

    async def _read(self, caller: str) -> _Queue:
        read_at = self._clock()
        try:
            queue = _Queue(dict(await self._runs.waiting(caller)), read_at)
        finally:
            del self._reading[caller]
            changes = self._changes.pop(caller, {})
        for job_id, due in changes.items():
            queue.change(job_id, due)
        self._store(caller, queue)
        return queue

    def _store(self, caller: str, queue: _Queue) -> None:
        self._queues.pop(caller, None)
        self._queues[caller] = queue
        while len(self._queues) > MAX_CALLERS:
            del self._queues[next(iter(self._queues))]


def position_in(waiting: Mapping[str, datetime], job: Job) -> int:
    if job.status != "queued":
        return 0
    return sum(due < job.run.created_at for run_id, due in waiting.items() if run_id != job.run.id)
