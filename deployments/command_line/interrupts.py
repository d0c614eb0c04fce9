"""Turn Ctrl-C, SIGTERM and SIGHUP into an exception, so commands can clean up."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from deployments.command_line.exit_codes import Interrupted

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
T = TypeVar("T")


class SignalHandler:
    """Raises Interrupted when a signal arrives, or after a section that must not be interrupted."""

    def __init__(self) -> None:
        self._deferring, self._deferred = False, 0

    def defer_during(self, act: Callable[[], T]) -> T:
        """Run `act` and return its result. `raise_deferred` raises a signal that arrives in the meantime.

        If `act` fails, the signal is raised instead of the failure.
        """
        self._deferring = True
        try:
            result = act()
        except Exception:
            self.raise_deferred()
            raise
        finally:
            self._deferring = False
        return result

    def raise_deferred(self) -> None:
        if self._deferred:
            number, self._deferred = self._deferred, 0
            raise Interrupted(number)

    def handle(self, number: int, frame: FrameType | None) -> None:
        if not self._deferring:
            raise Interrupted(number)
        self._deferred = number


@contextmanager
def handle_signals() -> Iterator[SignalHandler]:
    """Install a signal handler and yield it. Ignored signals, as under `nohup`, stay ignored."""
    handler = SignalHandler()
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handler.handle) for number in handled}
    try:
        yield handler
    finally:
        for number, previous_handler in previous.items():
            signal.signal(number, previous_handler)
