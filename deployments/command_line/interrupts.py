"""Ctrl-C, SIGTERM and a closed terminal, as an exception that lets a command tidy up."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from deployments.command_line.exit_codes import Interrupted

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
T = TypeVar("T")


class Interrupts:
    def __init__(self) -> None:
        self._held, self._waiting = False, 0

    def hold(self, act: Callable[[], T]) -> T:
        """A signal that comes meanwhile waits for `let_through`; when the act fails, no longer than that."""
        self._held = True
        try:
            done = act()
        except Exception:
            self.let_through()
            raise
        finally:
            self._held = False
        return done

    def let_through(self) -> None:
        """Raises for a signal that came while it was held."""
        if self._waiting:
            number, self._waiting = self._waiting, 0
            raise Interrupted(number)

    def arrive(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            raise Interrupted(number)
        self._waiting = number


@contextmanager
def caught() -> Iterator[Interrupts]:
    """What the caller of this process has it ignore (`nohup`, a job in the background) stays ignored."""
    interrupts = Interrupts()
    heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, interrupts.arrive) for each in heeded}
    try:
        yield interrupts
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
