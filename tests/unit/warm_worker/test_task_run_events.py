from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, TaskRun
from prefect.events.schemas.events import Event, Resource
from prefect.states import Completed, Failed, Pending, Running

from deployments.warm_worker.processes import task_run_events
from deployments.warm_worker.processes.task_run_events import TaskRunEvents, held_briefly

STATES = [Pending(), Running(), Completed()]


class Sent:
    """Replaces the Prefect function that emits events, and records each call."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.follows: list[Event | None] = []
        self.events: list[Event] = []
        self.brief: list[bool] = []

    def __call__(
        self, task_run: TaskRun, initial: State[Any] | None, validated: State[Any], follows: Event | None
    ) -> Event:
        self.states.append((task_run.name, validated.name or ""))
        self.follows.append(follows)
        self.brief.append(task_run_events.is_brief())
        resource = Resource({"prefect.resource.id": str(task_run.id)})
        self.events.append(Event(event="state", resource=resource))
        return self.events[-1]


def task_run(name: str = "fetch") -> TaskRun:
    return TaskRun(name=name, task_key=name, dynamic_key="0", flow_run_id=uuid4())


def test_short_task_run_sends_only_its_final_state() -> None:
    sent, run = Sent(), task_run()
    events = TaskRunEvents(sent)
    for state in STATES:
        events.emit(run, None, state)
    events.release()
    assert sent.states == [("fetch", "Completed")]
    assert sent.brief == [True]


def test_failed_task_run_names_all_related_resources() -> None:
    sent, run = Sent(), task_run()
    events = TaskRunEvents(sent)
    for state in (Pending(), Running(), Failed()):
        events.emit(run, None, state)
    assert sent.states == [("fetch", "Failed")]
    assert sent.brief == [False]


def test_long_task_run_sends_its_latest_state_and_all_later_states() -> None:
    sent, run = Sent(), task_run()
    events = TaskRunEvents(sent)
    assert events.emit(run, None, STATES[0]) is None
    events.emit(run, STATES[0], STATES[1])
    events.release()
    events.emit(run, STATES[1], Pending())
    events.emit(run, STATES[1], Failed())
    assert [name for _, name in sent.states] == ["Running", "Pending", "Failed"]
    assert sent.follows == [None, sent.events[0], sent.events[1]]
    assert sent.brief == [False] * 3


def test_held_states_of_several_tasks_are_sent_when_the_flow_ends() -> None:
    sent = Sent()
    with held_briefly(sent) as emit:
        emit(task_run("fetch"), None, Pending())
        emit(task_run("upload"), None, Pending())
        assert sent.states == []
    assert sent.states == [("fetch", "Pending"), ("upload", "Pending")]


def test_states_are_sent_while_a_task_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_run_events, "HOLD_SECONDS", 0.01)
    sent, run = Sent(), task_run()
    with held_briefly(sent) as emit:
        emit(run, None, Running())
        while not sent.states:
            pass
        run.name = "renamed"
        emit(run, None, Completed())
    assert sent.states == [("fetch", "Running"), ("renamed", "Completed")]
