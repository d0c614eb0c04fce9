"""Test that a single caller cannot occupy all readers of the source database."""

import asyncio

import pytest

from api.access.rate_limits import LimitReached
from api.tables.databases import READERS
from api.tables.readers import Readers
from api.tables.source import PAGE_READERS, PAGE_READERS_PER_CALLER
from api.web.problems import Unavailable


async def hold(readers: Readers, caller: str, release: asyncio.Event) -> None:
    async with readers.reading(caller, ""):
        await release.wait()


async def read(readers: Readers, caller: str, database: str = "") -> None:
    async with readers.reading(caller, database):
        pass


async def read_while_held(held: dict[str, int], caller: str, database: str = "") -> None:
    """Read as `caller` while `held` readers are in use, then read again after they are released."""
    readers, release = Readers(total=4, per_caller=3, wait_seconds=0.05), asyncio.Event()
    holders = [hold(readers, name, release) for name, count in held.items() for _ in range(count)]
    tasks = [asyncio.create_task(holder) for holder in holders]
    await asyncio.sleep(0)
    try:
        await read(readers, caller, database)
    finally:
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        await read(readers, caller)


def test_a_caller_with_many_slow_reads_does_not_stop_others() -> None:
    asyncio.run(read_while_held({"ada": 60}, "bob"))


def test_a_caller_beyond_their_share_is_limited() -> None:
    with pytest.raises(LimitReached) as refused:
        asyncio.run(read_while_held({"ada": 3}, "ada"))
    assert refused.value.code == "limit.reads"
    assert refused.value.retry_seconds > 0


def test_reads_beyond_the_total_are_unavailable() -> None:
    with pytest.raises(Unavailable):
        asyncio.run(read_while_held({"ada": 2, "bob": 2}, "eve"))


def test_slow_reads_of_one_database_do_not_stop_reads_of_another() -> None:
    asyncio.run(read_while_held({"ada": 60, "bob": 60}, "ada", "other"))


def test_a_read_waits_until_another_has_ended() -> None:
    async def wait_for_a_reader() -> None:
        readers, release = Readers(total=1, per_caller=1), asyncio.Event()
        task = asyncio.create_task(hold(readers, "ada", release))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(read(readers, "ada"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        release.set()
        await asyncio.gather(task, waiting)

    asyncio.run(wait_for_a_reader())


def test_starts_have_readers_of_their_own() -> None:
    assert PAGE_READERS_PER_CALLER < PAGE_READERS < READERS
