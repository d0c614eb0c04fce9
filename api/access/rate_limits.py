"""Limits on what one caller may start. The clock is an argument.

Prefect counts a caller's waiting exports. Each API process counts the rate of starts for itself, in a token
bucket per caller, so the effective rate grows with the number of processes.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUEUE_PAUSE_SECONDS = 5


class LimitReached(Exception):
    """A limit refused the start. It may succeed after `retry_seconds`."""

    def __init__(self, code: str, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_seconds = code, detail, retry_seconds


class Rate:
    """A token bucket per caller: it holds `burst` starts and refills at `per_second`."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        # Tokens left, and when; least recently used first. Full buckets are dropped.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, caller: str, now: float) -> float:
        tokens, at = self._left.get(caller, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - at) * self._per_second)

    def take(self, caller: str, now: float) -> float:
        """Take a start and return 0, or return the seconds until one is available."""
        left = self.left(caller, now)
        if left < 1:
            return (1 - left) / self._per_second
        self._store(caller, left - 1, now)
        return 0.0

    def give_back(self, caller: str, now: float) -> None:
        self._store(caller, self.left(caller, now) + 1, now)

    def _store(self, caller: str, left: float, now: float) -> None:
        self._left[caller] = (left, now)
        self._left.move_to_end(caller)
        full_again = now - self._burst / self._per_second
        while next(iter(self._left.values()))[1] < full_again:
            self._left.popitem(last=False)


class Entry:
    """A start in progress. `earlier` counts the caller's starts that were in progress before it."""

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
        """Enter before the queue is counted, so that every earlier start is in progress or in that count.

        A start that fails gives its token back.
        """
        entry = Entry(self._in_progress[caller])
        self._in_progress[caller] += 1
        try:
            yield entry
        finally:
            self._in_progress -= Counter([caller])  # drops counts of 0
            if entry.took_token and not entry.started:
                self._rate.give_back(caller, self._clock())

    def refusal(self, entry: Entry, caller: str, queued: int) -> LimitReached | None:
        """Return the refusal of a start beyond the limits; `queued` of the caller's exports are waiting."""
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
