"""Exponential backoff with a time limit."""

from collections.abc import Callable

INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 10.0


class Backoff:
    """Computes the delays between retries until `timeout_seconds` have passed since the first failure.

    Time spent waiting for rate limits does not count against the timeout unless `limit_rate_waits` is set.
    """

    def __init__(
        self, timeout_seconds: float, clock: Callable[[], float], limit_rate_waits: bool = False
    ) -> None:
        self._timeout_seconds, self._clock = timeout_seconds, clock
        self._limit_rate_waits = limit_rate_waits
        self.reset()

    def reset(self) -> None:
        """Reset after a success, so that the next failure gets the full timeout."""
        self._deadline: float | None = None
        self._next_pause = INITIAL_PAUSE_SECONDS

    def pause_after_failure(self, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait before the next attempt, or None if the wait would exceed the timeout.

        `retry_after`, if set, takes precedence over the exponential delay.
        """
        default, self._next_pause = self._next_pause, min(2 * self._next_pause, MAX_PAUSE_SECONDS)
        pause, now = retry_after if retry_after is not None else default, self._clock()
        if self._deadline is None:
            self._deadline = now + self._timeout_seconds
        return pause if now + pause <= self._deadline else None

    def pause_after_rate_limit(self, retry_after: float | None) -> float | None:
        """Return the seconds to wait after a 429 response, or None if the wait would exceed the timeout.

        A Retry-After header shows that the service is up, so the wait does not count against the timeout
        unless `limit_rate_waits` is set. Without the header, the response is treated like any other failure.
        """
        if retry_after is None or self._limit_rate_waits:
            return self.pause_after_failure(retry_after)
        self.reset()
        return max(retry_after, INITIAL_PAUSE_SECONDS)


def parse_retry_after(header: str | None) -> float | None:
    """Return the number of seconds in a Retry-After header, or None.

    Dates are ignored, because the clocks of the client and the server may differ.
    """
    text = (header or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
