"""How long, and with what pauses, a service that does not answer is asked again. Pure: the clock is given."""

from collections.abc import Callable

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0


class Patience:
    """Ends `seconds` after the first failure since it was last renewed; `hurried` waits for no turn."""

    def __init__(self, seconds: float, clock: Callable[[], float], hurried: bool = False) -> None:
        self._seconds, self._clock, self._hurried = seconds, clock, hurried
        self.renew()

    def renew(self) -> None:
        self._until: float | None = None
        self._next_pause = FIRST_PAUSE_SECONDS

    def pause_seconds(self, told: float | None = None) -> float | None:
        """Before the next try: what the service told, or twice the pause before; None when it is over."""
        own, self._next_pause = self._next_pause, min(2 * self._next_pause, LONGEST_PAUSE_SECONDS)
        pause, now = told if told is not None else own, self._clock()
        if self._until is None:
            self._until = now + self._seconds
        return pause if now + pause <= self._until else None

    def turn_seconds(self, told: float | None) -> float | None:
        """Before the next try at a service that is there, and has told when it is this caller's turn."""
        if told is None or self._hurried:
            return self.pause_seconds(told)
        self.renew()
        return max(told, FIRST_PAUSE_SECONDS)


def told_pause(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After; None for its other form, a date, which two clocks may read differently."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
