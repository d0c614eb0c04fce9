"""Check that the files of finished exports are still in the storage.

Files can disappear behind the service's back, for example when an operator restores or deletes a bucket.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from api.exports.job import Job
from api.shared_calls import SharedCalls
from flows.storage.protocol import LinkRejected, Storage, content_disposition, object_key

CHECKED_FOR = timedelta(seconds=10)
MAX_CHECKED = 10_000
LINK_SECONDS = 60
RETRY_SECONDS = 0.2

logger = logging.getLogger(__name__)


class StoredFiles:
    """Checks whether the files of jobs can be read, and caches each result for 10 seconds."""

    def __init__(self, storage: Storage, clock: Callable[[], datetime], limit_seconds: float) -> None:
        self._storage, self._clock, self._limit_seconds = storage, clock, limit_seconds
        # Maps each job id to the time of the last check and its result, which is True if the file was lost.
        self._checked: OrderedDict[str, tuple[datetime, bool]] = OrderedDict()
        self._checks: SharedCalls[str, bool] = SharedCalls()

    async def check(self, job: Job) -> Job:
        """Check the job's file and return the job with an up-to-date `file_lost`.

        A file counts as lost if the storage responds that it is missing or must not be read, or if its size
        is wrong. A storage that fails, for example while it restarts, has lost nothing.
        """
        if job.status != "done":
            return job
        checked_at, lost = self._checked.get(job.run.id, (None, False))
        if checked_at is None or self._clock() - checked_at >= CHECKED_FOR:
            lost = await self._checks.run(job.run.id, lambda: self._check_now(job))
        return replace(job, file_lost=lost)

    def as_last_checked(self, job: Job) -> Job:
        """Return the job with the result of the last check, without checking its file again."""
        return replace(job, file_lost=self._checked.get(job.run.id, (None, False))[1])

    async def _check_now(self, job: Job) -> bool:
        lost = False
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limit_seconds):
                lost = await asyncio.to_thread(self._is_lost, job)
        self._remember(job.run.id, lost)
        return lost

    def _is_lost(self, job: Job) -> bool:
        if not self._seems_lost(job):
            return False
        time.sleep(RETRY_SECONDS)  # the response may have been wrong for a moment
        try:
            self._storage.check()
        except Exception:  # noqa: BLE001 - the storage is down, so the file may still be there
            return False
        if not self._seems_lost(job):
            return False
        logger.error("the file of export %s is missing from the storage", job.run.id)
        return True

    def _seems_lost(self, job: Job) -> bool:
        receipt = job.progress.receipt
        assert receipt is not None  # noqa: S101 - a job is done only with a receipt
        key = object_key(job.run.id, receipt.attempt, receipt.name)
        link = self._storage.sign(key, content_disposition(receipt.name), LINK_SECONDS, self._clock())
        try:
            return self._storage.link_size(link) != receipt.bytes
        except LinkRejected:
            return True
        except OSError:
            return False

    def _remember(self, job_id: str, lost: bool) -> None:
        self._checked[job_id] = self._clock(), lost
        self._checked.move_to_end(job_id)
        while len(self._checked) > MAX_CHECKED:
            self._checked.popitem(last=False)
