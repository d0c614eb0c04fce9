"""Sign download links. Reuse each link as long as it remains valid for at least another 15 minutes."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from api.exports.job import Job
from api.shared_calls import SharedCalls
from api.web.problems import Unavailable
from flows.errors import StorageUnavailable
from flows.storage.protocol import Link, Storage, content_disposition, object_key, storage_errors

MIN_LIFE = timedelta(minutes=15)
MAX_CACHED = 10_000


class SignedLinks:
    """Signs links to the files in `storage`, and removes these files.

    The links are signed by `signer`, which accesses the same storage at the address that browsers use. It
    defaults to `storage`.
    """

    def __init__(
        self,
        storage: Storage,
        life_seconds: int,
        clock: Callable[[], datetime],
        signer: Storage | None = None,
    ) -> None:
        self._storage, self._life_seconds, self._clock = storage, life_seconds, clock
        self._signer = signer or storage
        self._links: OrderedDict[str, Link] = OrderedDict()
        self._signing: SharedCalls[str, Link] = SharedCalls()

    async def link_to(self, job: Job) -> Link:
        """Return a link that is valid for at least 15 minutes.

        It may expire earlier if the storage credentials do.
        """
        link = self._links.get(job.run.id)
        if link is None or link.expires_at - self._clock() < MIN_LIFE:
            link = await self._signing.run(job.run.id, lambda: self.fresh_link_to(job))
            self._links[job.run.id] = link
        self._links.move_to_end(job.run.id)
        while len(self._links) > MAX_CACHED:
            self._links.popitem(last=False)
        return link

    async def fresh_link_to(self, job: Job) -> Link:
        return await asyncio.to_thread(self._sign, job)

    async def remove_file(self, job: Job) -> None:
        self._links.pop(job.run.id, None)
        try:
            await asyncio.to_thread(self._remove, job)
        except StorageUnavailable as error:
            raise Unavailable("The file storage") from error

    def _remove(self, job: Job) -> None:
        receipt = job.progress.receipt
        assert receipt is not None  # noqa: S101 - only a job with a receipt has a file
        with storage_errors():
            self._storage.remove(object_key(job.run.id, receipt.attempt, receipt.name))

    def _sign(self, job: Job) -> Link:
        receipt = job.progress.receipt
        assert receipt is not None  # noqa: S101 - a job is done only with a receipt
        key = object_key(job.run.id, receipt.attempt, receipt.name)
        disposition = content_disposition(receipt.name, job.run.request.get("name"))
        return self._signer.sign(key, disposition, self._life_seconds, self._clock())
