"""Enforce each caller's limits on exports, schedules, previews and tokens.

Schedules and waiting exports are counted in Prefect. Each API process enforces the rate limits separately, so
the effective rate limits grow with the number of processes.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.settings import ApiSettings


class LimitReached(Exception):
    """Raised when a request exceeds a limit. A retry may succeed after `retry_seconds`."""

    def __init__(self, code: str, detail: str, retry_seconds: int) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_seconds = code, detail, retry_seconds


class Rate:
    """Token buckets, one for each caller.

    Each bucket holds at most `burst` tokens and gains `per_second` tokens per second.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        # Maps each caller to the number of tokens in the caller's bucket and the time of that count. The
        # least recently used bucket comes first. Full buckets are dropped.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, caller: str, now: float) -> float:
        tokens, at = self._buckets.get(caller, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - at) * self._per_second)

    def take(self, caller: str, now: float) -> float:
        """Take a token and return 0, or return the number of seconds until one is available."""
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


class Throttle:
    """Limits how often a caller may perform an action. Several throttles may share a `Rate`."""

    def __init__(self, rate: Rate, clock: Callable[[], float], detail: str) -> None:
        self._rate, self._clock, self._detail = rate, clock, detail

    def left(self, caller: str) -> int:
        return int(self._rate.left(caller, self._clock()))

    def spend(self, caller: str) -> None:
        """Take a token, or raise LimitReached if the caller has none."""
        if seconds := self._rate.take(caller, self._clock()):
            wait = math.ceil(seconds)
            plural = "s" if wait > 1 else ""
            raise LimitReached("limit.rate", f"{self._detail} Try again in {wait} second{plural}.", wait)

    def give_back(self, caller: str) -> None:
        self._rate.give_back(caller, self._clock())


@dataclass(frozen=True)
class Quota:
    """The maximum number of schedules or waiting exports per caller.

    The other fields describe the error that callers receive when they have reached the limit.
    """

    limit: int
    code: str
    detail: str
    retry_seconds: int

    @classmethod
    def of_waiting_exports(cls, limit: int) -> "Quota":
        detail = f"{limit:,} of your exports are waiting. Try again when some of them have started."
        return cls(limit, "limit.queued", detail, retry_seconds=5)

    @classmethod
    def of_schedules(cls, limit: int) -> "Quota":
        detail = f"You have {limit:,} schedules, which is the limit. Delete one that you no longer need."
        return cls(limit, "limit.schedules", detail, retry_seconds=60)


class Entry:
    """An attempt to start an export or create a schedule.

    `earlier` is the number of the caller's attempts that were already in progress when this one began.
    """

    def __init__(self, earlier: int) -> None:
        self.earlier = earlier
        self.started = False
        self.took_token = False


class Admission:
    """Limits how many exports or schedules a caller can create, using a quota and a rate."""

    def __init__(self, quota: Quota, throttle: Throttle) -> None:
        self._quota, self.throttle = quota, throttle
        self._in_progress: Counter[str] = Counter()

    @contextmanager
    def entry(self, caller: str) -> Iterator[Entry]:
        """Register an attempt while the block runs. If the attempt fails, put its token back in the bucket.

        Enter this context before counting the caller's exports or schedules. Earlier attempts are then either
        in progress or included in the count, so concurrent attempts cannot exceed the limit.
        """
        entry = Entry(self._in_progress[caller])
        self._in_progress[caller] += 1
        try:
            yield entry
        finally:
            self._in_progress -= Counter([caller])  # this also removes counts of zero
            if entry.took_token and not entry.started:
                self.throttle.give_back(caller)

    def refusal(self, entry: Entry, caller: str, count: int) -> LimitReached | None:
        """Take a token and return None. If the attempt would exceed a limit, return an error instead.

        `count` is the number of schedules or waiting exports that the caller already has.
        """
        quota = self._quota
        if count + entry.earlier >= quota.limit:
            return LimitReached(quota.code, quota.detail, quota.retry_seconds)
        try:
            self.throttle.spend(caller)
        except LimitReached as refusal:
            return refusal
        entry.took_token = True
        return None


@dataclass(frozen=True)
class Limits:
    """Limits on exports, schedules, previews and tokens. They apply to each caller separately.

    `rules` limits how often a caller may try to create or change a schedule, because evaluating an RRULE
    takes up to 0.2 seconds. An attempt counts even if the schedule is invalid.
    """

    starts: Admission
    schedules: Admission
    rules: Throttle
    previews: Throttle
    tokens: Throttle

    @classmethod
    def of(cls, settings: ApiSettings, clock: Callable[[], float]) -> "Limits":
        starts = Rate(settings.starts_per_second, settings.starts_burst)
        previews = Rate(settings.previews_per_second, settings.previews_burst)
        rules = Rate(settings.previews_per_second, settings.previews_burst)
        tokens = Rate(settings.tokens_per_second, settings.tokens_burst)
        return cls(
            Admission(
                Quota.of_waiting_exports(settings.queued_per_caller),
                Throttle(starts, clock, "Too many exports started."),
            ),
            Admission(
                Quota.of_schedules(settings.schedules_per_caller),
                Throttle(starts, clock, "Too many schedules created or changed."),
            ),
            Throttle(rules, clock, "Too many schedules created or changed."),
            Throttle(previews, clock, "Too many previews requested."),
            Throttle(tokens, clock, "Too many tokens created."),
        )
