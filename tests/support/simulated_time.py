"""Run a coroutine on an event loop whose clock jumps to the next timer, so that sleeping takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(None if timeout is None else 0)
        if not events and timeout is not None:
            self.now += max(timeout, 0.0)
        return events


class _SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._jumping_selector.now


def run_in_simulated_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits only for timers and for other tasks, not for threads or connections."""
    with asyncio.Runner(loop_factory=_SimulatedLoop) as runner:
        return runner.run(coroutine)
