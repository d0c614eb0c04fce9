"""Send only one event for a task run that ends within the first few seconds of its flow run.

For a small export, task-run events account for more than half of the load on Prefect and more than half of
the rows that are added to its database. The final event of a task run contains the start time and everything
else that the UI shows. If a task run is still unfinished after the first few seconds, an event with its
latest state is sent then. Each later state is sent immediately.

The event of a completed task run names only the flow run, because Prefect stores each related resource in a
separate row. Other events name all related resources, so that automations can filter them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State, TaskRun
from prefect.events.schemas.events import Event

HOLD_SECONDS = 3.0
_brief: ContextVar[bool] = ContextVar("brief", default=False)

# The type of Prefect's emit_task_run_state_change_event.
Emit = Callable[..., Event | None]


def is_brief() -> bool:
    """Return whether events in the current context should name only the flow run."""
    return _brief.get()


class TaskRunEvents:
    """Emits the task-run events of one flow run."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._held: dict[UUID, Callable[[], None]] = {}
        self._last: dict[UUID, Event | None] = {}
        self._holds = True

    def emit(
        self,
        task_run: TaskRun,
        initial_state: State[Any] | None,
        validated_state: State[Any],
        follows: Event | None = None,
    ) -> Event | None:
        """Emit an event or hold it back. Takes the same arguments as Prefect's function."""
        send = partial(self._send, task_run.model_copy(), initial_state, validated_state)
        with self._lock:
            if validated_state.is_completed():
                self._held.pop(task_run.id, None)
                copy_context().run(_send_briefly, send)
            elif not self._holds or validated_state.is_final():
                self._held.pop(task_run.id, None)
                send()
            else:
                self._held[task_run.id] = partial(copy_context().run, send)
            return self._last.get(task_run.id)

    def release(self) -> None:
        """Emit the latest event of each unfinished task run. Later events are emitted immediately."""
        with self._lock:
            self._holds = False
            for send in self._held.values():
                send()
            self._held.clear()

    def _send(self, task_run: TaskRun, initial_state: State[Any] | None, validated_state: State[Any]) -> None:
        last = self._last.get(task_run.id)
        self._last[task_run.id] = self._emit(task_run, initial_state, validated_state, last)


def _send_briefly(send: Callable[[], None]) -> None:
    _brief.set(True)
    send()


@contextmanager
def held_briefly(emit: Emit) -> Iterator[Emit]:
    """Yield a function that replaces Prefect's `emit` during one flow run.

    On exit, events that are still held back are emitted.
    """
    events = TaskRunEvents(emit)
    timer = threading.Timer(HOLD_SECONDS, events.release)
    timer.daemon = True
    timer.start()
    try:
        yield events.emit
    finally:
        timer.cancel()
        events.release()
