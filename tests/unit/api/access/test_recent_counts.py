import asyncio
from dataclasses import dataclass, field

import pytest

from api.access.recent_counts import CACHED_SECONDS, RecentCounts

LIMIT = 20


@dataclass
class Queue:
    """A caller's queue that counts how often it is read."""

    waiting: int = 0
    now: float = 0.0
    reads: int = 0
    is_down: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, _: str) -> int:
        self.reads += 1
        await self.answers.wait()
        if self.is_down:
            raise ConnectionError
        return self.waiting

    def counts(self) -> RecentCounts:
        self.answers.set()
        return RecentCounts(self.read, LIMIT, lambda: self.now)


def test_a_burst_of_starts_counts_the_queue_once() -> None:
    async def burst() -> tuple[list[int], int]:
        queue = Queue(waiting=2)
        counts = queue.counts()
        queue.answers.clear()
        reads = [asyncio.ensure_future(counts.count("ada")) for _ in range(5)]
        await asyncio.sleep(0)
        queue.answers.set()
        return list(await asyncio.gather(*reads)), queue.reads

    assert asyncio.run(burst()) == ([2] * 5, 1)


def test_starts_of_this_process_are_added_to_a_recent_count() -> None:
    async def start_two() -> int:
        counts = Queue(waiting=2).counts()
        await counts.count("ada")
        counts.on_start()
        counts.on_start()
        return await counts.count("ada")

    assert asyncio.run(start_two()) == 4


@pytest.mark.parametrize("waiting", [0, LIMIT // 2 - 1])
def test_the_queue_is_counted_exactly_near_the_limit(waiting: int) -> None:
    async def fill() -> tuple[list[int], int]:
        queue = Queue(waiting=waiting)
        counts = queue.counts()
        results = []
        while queue.waiting < LIMIT:
            results.append(await counts.count("ada"))
            queue.waiting += 1
            counts.on_start()
        return results, queue.reads

    results, reads = asyncio.run(fill())
    assert results == list(range(waiting, LIMIT))
    assert reads == 1 + LIMIT // 2


def test_an_old_count_is_read_again() -> None:
    async def wait() -> int:
        queue = Queue()
        counts = queue.counts()
        await counts.count("ada")
        queue.now, queue.waiting = CACHED_SECONDS, 3
        return await counts.count("ada")

    assert asyncio.run(wait()) == 3


def test_each_caller_has_a_separate_count() -> None:
    async def read() -> int:
        queue = Queue()
        counts = queue.counts()
        await asyncio.gather(counts.count("ada"), counts.count("bob"))
        return queue.reads

    assert asyncio.run(read()) == 2


def test_a_failed_count_is_not_reused() -> None:
    async def recover() -> int:
        queue = Queue(waiting=1, is_down=True)
        counts = queue.counts()
        with pytest.raises(ConnectionError):
            await counts.count("ada")
        queue.is_down = False
        return await counts.count("ada")

    assert asyncio.run(recover()) == 1
