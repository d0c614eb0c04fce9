"""Cache counts of waiting exports, so that a burst of starts does not count them each time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CACHED_SECONDS = 1.0
MAX_CALLERS = 10_000


@dataclass(frozen=True)
class _Recent:
    """A count that was requested at `read_at`, when this process had started `started` exports."""

    count: asyncio.Future[int]
    read_at: float
    started: int


class RecentCounts:
    """Counts the waiting exports of each caller with `read`.

    While a caller is far from the limit, the exports are counted at most once a second.
    """

    def __init__(self, read: Callable[[str], Awaitable[int]], limit: int, clock: Callable[[], float]) -> None:
        self._read, self._limit, self._clock = read, limit, clock
        self._recent: dict[str, _Recent] = {}
        self._started = 0

    def on_start(self) -> None:
        """Record that this process has started an export."""
        self._started += 1

    async def count(self, caller: str) -> int:
        """Return how many exports of the caller are waiting.

        A recent count is reused if it is less than half of the limit, including all exports that this process
        has started since. The other half allows for starts in other processes.
        """
        recent = self._recent.get(caller)
        if recent is not None and self._clock() - recent.read_at < CACHED_SECONDS:
            count = await asyncio.shield(recent.count) + self._started - recent.started
            if count < self._limit // 2:
                return count
        return await asyncio.shield(self._count_now(caller))

    def _count_now(self, caller: str) -> asyncio.Future[int]:
        count = asyncio.ensure_future(self._read(caller))
        self._recent.pop(caller, None)
        self._recent[caller] = _Recent(count, self._clock(), self._started)
        while len(self._recent) > MAX_CALLERS:
            del self._recent[next(iter(self._recent))]

        def forget_failure(_: asyncio.Future[int]) -> None:
            failed = count.cancelled() or count.exception() is not None
            if failed and (recent := self._recent.get(caller)) is not None and recent.count is count:
                del self._recent[caller]

        count.add_done_callback(forget_failure)
        return count
