from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from deployments.warm_worker.rescue import PENDING_SECONDS, SILENT_SECONDS, is_lost
from tests.support.clock import NOON

DAY = 86_400


def run(state_type: StateType) -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), state=State(type=state_type, timestamp=NOON))


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "lost"), [(0, False), (PENDING_SECONDS, False), (PENDING_SECONDS + 1, True)]
)
def test_a_claimed_run_that_does_not_start_is_lost(seconds: float, lost: bool) -> None:
    assert is_lost(run(StateType.PENDING), None, after(seconds)) is lost


@pytest.mark.parametrize(
    ("seconds", "lost"), [(0, False), (SILENT_SECONDS, False), (SILENT_SECONDS + 1, True)]
)
def test_a_run_without_a_heartbeat_is_lost_after_its_start(seconds: float, lost: bool) -> None:
    assert is_lost(run(StateType.RUNNING), None, after(seconds)) is lost


@pytest.mark.parametrize(
    ("silent", "lost"), [(1, False), (SILENT_SECONDS, False), (SILENT_SECONDS + 1, True)]
)
def test_a_run_with_an_old_heartbeat_is_lost_regardless_of_its_duration(silent: float, lost: bool) -> None:
    assert is_lost(run(StateType.RUNNING), after(DAY - silent), after(DAY)) is lost


def test_the_heartbeat_of_an_earlier_attempt_is_ignored() -> None:
    assert not is_lost(run(StateType.RUNNING), after(-DAY), after(1))


def test_a_crashed_run_is_lost_only_for_a_day() -> None:
    assert is_lost(run(StateType.CRASHED), None, after(1))
    assert not is_lost(run(StateType.CRASHED), None, after(DAY))


@pytest.mark.parametrize(
    "state_type",
    [
        StateType.SCHEDULED,
        StateType.PAUSED,
        StateType.CANCELLING,
        StateType.COMPLETED,
        StateType.FAILED,
        StateType.CANCELLED,
    ],
)
def test_runs_in_other_states_are_never_lost(state_type: StateType) -> None:
    assert not is_lost(run(state_type), None, after(7 * DAY))


def test_a_run_without_a_state_is_not_lost() -> None:
    assert not is_lost(FlowRun(id=uuid4(), flow_id=uuid4(), state=None), None, after(DAY))
