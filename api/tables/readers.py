"""Limit concurrent reads of table pages, so that some database connections stay free for starting exports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from api.access.rate_limits import LimitReached
from api.web.problems import Unavailable

WAIT_SECONDS = 5.0


class Readers:
    """Limits the number of concurrent reads per database. Additional reads wait.

    Each database has at most `total` reads at a time, and at most `per_caller` from the same caller.
    """

    def __init__(self, total: int, per_caller: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._total, self._per_caller, self._wait_seconds = total, per_caller, wait_seconds
        self._by_database: dict[str, asyncio.Semaphore] = {}
        self._by_caller: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def reading(self, caller: str, database: str) -> AsyncIterator[None]:
        """Hold a reader while the block runs.

        Raises LimitReached if the caller's own reads take too long to finish, or Unavailable if all readers
        stay busy.
        """
        everyones = self._by_database.setdefault(database, asyncio.Semaphore(self._total))
        own = self._by_caller.setdefault((database, caller), asyncio.Semaphore(self._per_caller))
        if not await self._acquired(own):
            seconds = round(self._wait_seconds) or 1
            detail = f"You are reading too many pages at a time. Try again in {seconds} seconds."
            raise LimitReached("limit.reads", detail, seconds)
        try:
            if not await self._acquired(everyones):
                raise Unavailable("The database that holds the report")
            try:
                yield
            finally:
                everyones.release()
        finally:
            own.release()

    async def _acquired(self, semaphore: asyncio.Semaphore) -> bool:
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await semaphore.acquire()
        except TimeoutError:
            return False
