"""End calls to a server that has stopped responding, but not calls to a server that is only slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_SECONDS = 0.1
MAX_WAIT_SECONDS = 30.0  # the longest wait while the server responds to other calls
# A server that is short of CPU time responds slowly. The longest recent silence that was followed by a
# response extends the limit by this factor, up to `MAX_EXTENSION` times the configured seconds.
SILENCE_FACTOR, MAX_EXTENSION = 2.0, 4.0
DECAY = 0.9  # each response multiplies the longest silence by this factor; outages do not count as silences


class _Call:
    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._silent_seconds = self._seconds = 0.0

    def tick(self, server_responded: bool, outage_seconds: float) -> None:
        self._seconds += TICK_SECONDS
        self._silent_seconds = 0.0 if server_responded else self._silent_seconds + TICK_SECONDS
        if self._silent_seconds >= outage_seconds or self._seconds >= MAX_WAIT_SECONDS:
            self._limit.reschedule(asyncio.get_running_loop().time())


class OutageLimit:
    """Ends a call when it has waited `outage_seconds` without the server responding to any call.

    The limit is longer if the server has recently responded slowly, so that calls to a busy server do not
    fail.

    Time is counted in ticks of the event loop. Otherwise, a process that gets too little CPU time would
    mistake its own delays for an unresponsive server.
    """

    def __init__(self, outage_seconds: float) -> None:
        self._outage_seconds = outage_seconds
        self._silent_seconds = self._longest_silence = 0.0
        self._calls: set[_Call] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._responded = False

    def note_response(self) -> None:
        """Give all calls more time, because the server has responded. Any thread may call this."""
        self._responded = True

    @property
    def _limit_seconds(self) -> float:
        extended = min(SILENCE_FACTOR * self._longest_silence, MAX_EXTENSION * self._outage_seconds)
        return max(self._outage_seconds, extended)

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Run the block. Raises TimeoutError if the server stops responding."""
        async with asyncio.timeout(None) as limit:
            call = _Call(limit)
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
        if responded:
            silence = self._silent_seconds if self._silent_seconds < self._limit_seconds else 0.0
            self._longest_silence = max(silence, DECAY * self._longest_silence)
            self._silent_seconds = 0.0
