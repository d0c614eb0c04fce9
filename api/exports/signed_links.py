"""Signed links, made when they are asked for and handed out again while they have long enough to live."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from api.exports.job import Job
from api.web.problems import Unavailable
from flows.errors import StorageUnavailable
from flows.storage.protocol import Link, Storage, content_disposition, object_key, storage_errors

LEAST_LIFE = timedelta(minutes=15)
KEPT = 10_000


class SignedLinks:
    def __init__(self, storage: Storage, life_seconds: int, clock: Callable[[], datetime]) -> None:
        self._storage, self._life_seconds, self._clock = storage, life_seconds, clock
        self._kept: OrderedDict[str, Link] = OrderedDict()

    async def link_to(self, job: Job) -> Link:
        """At least 15 minutes are left, unless the credential that signs has less itself."""
        kept = self._kept.get(job.run.id)
        if kept is None or kept.expires_at - self._clock() < LEAST_LIFE:
            kept = await asyncio.to_thread(self._sign, job)
            self._kept[job.run.id] = kept
        self._kept.move_to_end(job.run.id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept

    async def fresh_link_to(self, job: Job) -> Link:
        return await asyncio.to_thread(self._sign, job)

    async def remove_file(self, job: Job) -> None:
        self._kept.pop(job.run.id, None)
        try:
            await asyncio.to_thread(self._remove, job)
        except StorageUnavailable as error:
            raise Unavailable("The file storage") from error

    def _remove(self, job: Job) -> None:
        receipt = job.progress.receipt
        assert receipt is not None  # noqa: S101 - without one there is no file
        with storage_errors():
            self._storage.remove(object_key(job.run.id, receipt.attempt, receipt.name))

    def _sign(self, job: Job) -> Link:
        receipt = job.progress.receipt
        assert receipt is not None  # noqa: S101 - a job is done only with a receipt
        key = object_key(job.run.id, receipt.attempt, receipt.name)
        disposition = content_disposition(receipt.name, job.run.request.get("name"))
        return self._storage.sign(key, disposition, self._life_seconds, self._clock())
