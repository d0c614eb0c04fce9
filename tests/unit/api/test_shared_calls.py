import asyncio
import gc
from typing import Any

import pytest

from api.shared_calls import SharedCalls


class Source:
    """A slow source that counts its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self._error = 0, error

    async def read(self) -> int:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(0.01)
        if self._error is not None:
            raise self._error
        return number


def test_concurrent_callers_share_one_call_per_key() -> None:
    source, shared = Source(), SharedCalls[str, int]()

    async def run() -> None:
        keys = ["a"] * 50 + ["b"] * 50
        results = await asyncio.gather(*(shared.run(key, source.read) for key in keys))
        assert results == [1] * 50 + [2] * 50
        assert await shared.run("a", source.read) == 3

    asyncio.run(run())


def test_every_caller_receives_the_exception_and_the_next_caller_tries_again() -> None:
    source, shared = Source(OSError("down")), SharedCalls[str, int]()

    async def run() -> None:
        results = await asyncio.gather(
            *(shared.run("a", source.read) for _ in range(3)), return_exceptions=True
        )
        assert [str(result) for result in results] == ["down"] * 3
        with pytest.raises(OSError, match="down"):
            await shared.run("a", source.read)
        assert source.calls == 2

    asyncio.run(run())


def test_a_cancelled_caller_does_not_cancel_the_call() -> None:
    source, shared = Source(), SharedCalls[str, int]()

    async def run() -> None:
        first = asyncio.create_task(shared.run("a", source.read))
        second = asyncio.create_task(shared.run("a", source.read))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 1
        assert first.cancelled()

    asyncio.run(run())


def test_an_exception_that_no_caller_receives_is_not_logged() -> None:
    source, shared = Source(OSError("down")), SharedCalls[str, int]()
    logged: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        only_caller = asyncio.create_task(shared.run("a", source.read))
        await asyncio.sleep(0)
        only_caller.cancel()
        await asyncio.sleep(0.05)
        gc.collect()

    asyncio.run(run())
    assert source.calls == 1
    assert logged == []
