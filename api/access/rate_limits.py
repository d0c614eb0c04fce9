"""Limit how many exports a caller may start and how many may wait.

Prefect counts the waiting exports. The rate of starts is counted in each API process separately, so the
effective rate limit grows with the number of processes.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUEUE_PAUSE_SECONDS = 5


class LimitReached(Exception):
    """Raised when a start exceeds a limit. It may succeed after `retry_seconds`."""

    def __init__(self, code: str, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_seconds = code, detail, retry_seconds


class Rate:
    """A token bucket for each caller, which holds `burst` tokens and gains `per_second` tokens per second."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        # Tokens and the time they were counted, least recently used first. Full buckets are dropped.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, caller: str, now: float) -> float:
        tokens, at = self._buckets.get(caller, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - at) * self._per_second)

    def take(self, caller: str, now: float) -> float:
        """Take a token and return 0, or return the seconds until a token is available."""
        tokens = self.left(caller, now)
        if tokens < 1:
            return (1 - tokens) / self._per_second
        self._store(caller, tokens - 1, now)
        return 0.0

    def give_back(self, caller: str, now: float) -> None:
        self._store(caller, self.left(caller, now) + 1, now)

    def _store(self, caller: str, tokens: float, now: float) -> None:
        self._buckets[caller] = (tokens, now)
        self._buckets.move_to_end(caller)
        full_again = now - self._burst / self._per_second
        while next(iter(self._buckets.values()))[1] < full_again:
            self._buckets.popitem(last=False)


class Entry:
    """A start in progress. `earlier` is the number of the caller's starts that were already in progress."""

    def __init__(self, earlier: int) -> None:
        self.earlier = earlier
        self.started = False
        self.took_token = False


class Admission:
    def __init__(self, queued: int, rate: Rate, clock: Callable[[], float]) -> None:
        self._queued, self._rate, self._clock = queued, rate, clock
        self._in_progress: Counter[str] = Counter()

    def starts_left(self, caller: str) -> int:
        return int(self._rate.left(caller, self._clock()))

    @contextmanager
    def entry(self, caller: str) -> Iterator[Entry]:
        """Register a start in progress. If it fails, its token is returned to the bucket.

        Enter before counting the queue. Every earlier start is then either still in progress or already in
        the count, and no start escapes the limit.
        """
        entry = Entry(self._in_progress[caller])
        self._in_progress[caller] += 1
        try:
            yield entry
        finally:
            self._in_progress -= Counter([caller])  # this also removes counts of zero
            if entry.took_token and not entry.started:
                self._rate.give_back(caller, self._clock())

    def refusal(self, entry: Entry, caller: str, queued: int) -> LimitReached | None:
        """Take a token and return None, or return the limit that the start would exceed.

        `queued` is the number of the caller's waiting exports.
        """
        if queued + entry.earlier >= self._queued:
            detail = (
                f"{self._queued:,} of your exports are waiting. Try again when some of them have started."
            )
            return LimitReached("limit.queued", detail, QUEUE_PAUSE_SECONDS)
        if seconds := self._rate.take(caller, self._clock()):
            wait = math.ceil(seconds)
            detail = f"Too many exports started. Try again in {wait} second{'s' if wait > 1 else ''}."
            return LimitReached("limit.rate", detail, wait)
        entry.took_token = True
        return None
