"""Let concurrent callers share one call."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedCalls(Generic[K, T]):
    """Runs at most one call per key at a time.

    Callers that arrive in the meantime wait for the running call and receive its result or its exception. A
    caller that is cancelled does not cancel the call.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Future[T]] = {}

    async def run(self, key: K, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(call())
            running.add_done_callback(lambda ended: self._end(key, ended))
        return await asyncio.shield(running)

    def _end(self, key: K, ended: "asyncio.Future[T]") -> None:
        del self._running[key]
        if not ended.cancelled():
            ended.exception()  # otherwise asyncio logs an exception that no caller has waited for
