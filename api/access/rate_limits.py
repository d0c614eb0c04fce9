"""What one caller may start, and the refusal beyond it. Pure: the clock is given.

How many of theirs wait is Prefect's to say; the rate is counted by each API process for itself, in a
token bucket per caller: with several processes a caller may start so much faster.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUEUE_PAUSE_SECONDS = 5


class LimitReached(Exception):
    """Nothing was started; in so many whole seconds it may be."""

    def __init__(self, code: str, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_seconds = code, detail, retry_seconds


class Rate:
    """A bucket of `burst` starts for each caller, into which `per_second` come back."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        # What was left, and when; the longest untouched first. A full bucket is not kept.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, caller: str, now: float) -> float:
        tokens, at = self._left.get(caller, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - at) * self._per_second)

    def take(self, caller: str, now: float) -> float:
        """0, and a start is taken; otherwise the seconds until there is one."""
        left = self.left(caller, now)
        if left < 1:
            return (1 - left) / self._per_second
        self._keep(caller, left - 1, now)
        return 0.0

    def give_back(self, caller: str, now: float) -> None:
        self._keep(caller, self.left(caller, now) + 1, now)

    def _keep(self, caller: str, left: float, now: float) -> None:
        self._left[caller] = (left, now)
        self._left.move_to_end(caller)
        full_again = now - self._burst / self._per_second
        while next(iter(self._left.values()))[1] < full_again:
            self._left.popitem(last=False)


class Entry:
    """One start on its way. `before` are the caller's that were on their way when it came."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.started = False
        self.took = False


class Admission:
    def __init__(self, queued: int, rate: Rate, clock: Callable[[], float]) -> None:
        self._queued, self._rate, self._clock = queued, rate, clock
        self._on_their_way: Counter[str] = Counter()

    def starts_left(self, caller: str) -> int:
        return int(self._rate.left(caller, self._clock()))

    @contextmanager
    def entry(self, caller: str) -> Iterator[Entry]:
        """Opened before the queue is counted, so that every earlier start is on its way, or in that count.

        What has started nothing in the end costs nothing.
        """
        entry = Entry(self._on_their_way[caller])
        self._on_their_way[caller] += 1
        try:
            yield entry
        finally:
            self._on_their_way -= Counter([caller])  # without those that are at 0
            if entry.took and not entry.started:
                self._rate.give_back(caller, self._clock())

    def refusal(self, entry: Entry, caller: str, queued: int) -> LimitReached | None:
        """`queued` of theirs wait already; with a refusal, only an earlier job may answer."""
        if queued + entry.before >= self._queued:
            detail = f"{self._queued:,} of your exports wait already. Try again when some of them have begun."
            return LimitReached("limit.queued", detail, QUEUE_PAUSE_SECONDS)
        if seconds := self._rate.take(caller, self._clock()):
            return LimitReached("limit.rate", "These are too many starts at once.", math.ceil(seconds))
        entry.took = True
        return None
