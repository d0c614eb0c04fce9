"""End calls to a server that has stopped responding, but not calls to a server that is only slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_SECONDS = 0.1
# A server that is short of CPU time responds slowly. The slowest recent response extends the limit to this
# many times its delay, up to `MAX_SILENCE_SECONDS`.
DELAY_FACTOR, MAX_SILENCE_SECONDS = 2.0, 30.0
DECAY = 0.8  # a tick with a response multiplies the learned delay by this factor


class _Call:
    def __init__(self, limit: asyncio.Timeout, max_wait_seconds: float) -> None:
        self._limit, self._max_wait_seconds = limit, max_wait_seconds
        self._silent_seconds = self._seconds = 0.0

    def tick(self, server_responded: bool, outage_seconds: float) -> None:
        self._seconds += TICK_SECONDS
        self._silent_seconds = 0.0 if server_responded else self._silent_seconds + TICK_SECONDS
        if self._silent_seconds >= outage_seconds or self._seconds >= self._max_wait_seconds:
            self._limit.reschedule(asyncio.get_running_loop().time())


class OutageLimit:
    """Ends a call when it has waited `outage_seconds` without the server responding to any call.

    The limit is longer if the server has recently responded slowly, so that calls to a busy server do not
    fail. A call also ends after `max_wait_seconds` if the server responds only to other calls.

    Time is counted in ticks of the event loop. Otherwise, a process that gets too little CPU time would
    mistake its own delays for an unresponsive server.
    """

    def __init__(self, outage_seconds: float, max_wait_seconds: float) -> None:
        self._outage_seconds, self._max_wait_seconds = outage_seconds, max_wait_seconds
        self._silent_seconds = self._recent_delay = self._learned_delay = 0.0
        self._calls: set[_Call] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._responded = False

    def note_response(self, delay_seconds: float = 0.0) -> None:
        """Give all calls more time, because the server has responded. Any thread may call this.

        `delay_seconds` is the time between a request and its response. It counts even if the caller has
        stopped waiting, so a server that suddenly becomes slow is not mistaken for an outage for long.
        """
        self._recent_delay = max(self._recent_delay, delay_seconds)
        self._responded = True

    @property
    def _limit_seconds(self) -> float:
        extended = min(DELAY_FACTOR * self._learned_delay, MAX_SILENCE_SECONDS)
        return max(self._outage_seconds, extended)

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Run the block. Raises TimeoutError if the server stops responding."""
        async with asyncio.timeout(None) as limit:
            call = _Call(limit, self._max_wait_seconds)
            self._calls.add(call)
            if self._ticking is None:
                self._ticking = asyncio.create_task(self._tick())
            try:
                yield
            finally:
                self._calls.discard(call)

    async def _tick(self) -> None:
        self._silent_seconds = 0.0
        while self._calls:
            await asyncio.sleep(TICK_SECONDS)
            responded, self._responded = self._responded, False
            self._learn(responded)
            for call in self._calls:
                call.tick(responded, self._limit_seconds)
        self._ticking = None

    def _learn(self, responded: bool) -> None:
        self._silent_seconds += TICK_SECONDS
        if not responded:
            return
        # A silence beyond the limit was an outage, after which the server may be fast again.
        silence = self._silent_seconds if self._silent_seconds < self._limit_seconds else 0.0
        delay, self._recent_delay = self._recent_delay, 0.0
        self._learned_delay = max(silence, delay, DECAY * self._learned_delay)
        self._silent_seconds = 0.0
