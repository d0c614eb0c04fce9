"""Turn Ctrl-C, SIGTERM and SIGHUP into an exception, so that commands can clean up."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from deployments.command_line.exit_codes import Interrupted

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
T = TypeVar("T")


class SignalHandler:
    """Raises Interrupted as soon as a signal arrives, or later if signals are being deferred."""

    def __init__(self) -> None:
        self._deferring, self._deferred = False, 0

    def defer_during(self, act: Callable[[], T]) -> T:
        """Call `act` and return its result. A signal that arrives during the call is deferred.

        The caller must then call `raise_deferred`, which raises Interrupted if a signal was deferred. If
        `act` raises an exception after a signal has arrived, Interrupted is raised instead of that exception.
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
    """Install a signal handler and yield it.

    Signals that are already ignored, for example under `nohup`, stay ignored.
    """
    handler = SignalHandler()
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handler.handle) for number in handled}
    try:
        yield handler
    finally:
        for number, previous_handler in previous.items():
            signal.signal(number, previous_handler)
