import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import Artifact, FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

from deployments.warm_worker import rescue
from deployments.warm_worker.rescue import PENDING_SECONDS, SILENT_SECONDS, Rescuer, is_lost
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


@pytest.mark.parametrize(
    ("seconds", "lost"), [(0, False), (SILENT_SECONDS, False), (SILENT_SECONDS + 1, True)]
)
def test_a_run_that_is_being_cancelled_without_a_heartbeat_is_lost(seconds: float, lost: bool) -> None:
    assert is_lost(run(StateType.CANCELLING), None, after(seconds)) is lost


@dataclass
class FakeClient:
    """Fake Prefect client with only the methods needed to reschedule one run."""

    run: FlowRun
    status: SetStateStatus = SetStateStatus.ACCEPT
    states: list[StateType] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    async def read_flow_run(self, _: UUID) -> FlowRun:
        return self.run

    async def update_flow_run(self, _: UUID, tags: list[str]) -> None:
        self.tags = tags

    async def set_flow_run_state(self, _: UUID, state: State[Any], force: bool) -> SimpleNamespace:
        assert force is (self.run.state_type == StateType.CRASHED)
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0, "the client must not repeat the request"
        if self.status == SetStateStatus.ACCEPT:
            self.states.append(state.type)
        return SimpleNamespace(status=self.status)


def rescuer(client: Any, monkeypatch: pytest.MonkeyPatch) -> Rescuer:
    monkeypatch.setenv("REPORTS_DATABASE_URL", "postgresql://any")
    monkeypatch.setenv("REPORTS_STORAGE_URL", "s3://any")
    return Rescuer(client, "any", {}, set(), lambda: NOON)


@pytest.mark.parametrize(
    ("state_type", "run_count", "expected"),
    [
        (StateType.RUNNING, 1, StateType.SCHEDULED),
        (StateType.CRASHED, 1, StateType.SCHEDULED),
        (StateType.RUNNING, 3, StateType.FAILED),
        (StateType.CANCELLING, 1, StateType.CANCELLED),
        (StateType.CANCELLING, 3, StateType.CANCELLED),
        (StateType.CANCELLED, 1, None),
    ],
)
def test_the_state_after_a_rescue(
    state_type: StateType, run_count: int, expected: StateType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = run(state_type)
    lost.state_type, lost.run_count = state_type, run_count
    client = FakeClient(lost)
    asyncio.run(rescuer(client, monkeypatch).reschedule(lost.id, "Its worker was lost."))
    assert client.states == ([expected] if expected else [])
    assert client.tags == (["code:worker.lost"] if expected is StateType.FAILED else [])


def test_a_run_that_has_just_completed_is_not_tagged_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    late = run(StateType.RUNNING)
    late.state_type, late.run_count = StateType.RUNNING, 3
    client = FakeClient(late, SetStateStatus.REJECT)
    asyncio.run(rescuer(client, monkeypatch).reschedule(late.id, "Its worker was lost."))
    assert client.tags == []


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_run_is_rescheduled_once_although_prefect_does_not_respond(
    is_accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = run(StateType.RUNNING)
    stopped.state_type = StateType.RUNNING

    class Silent(FakeClient):
        tries = 0

        async def set_flow_run_state(self, run_id: UUID, state: State[Any], force: bool) -> SimpleNamespace:
            self.tries += 1
            if self.tries > 1:
                return await super().set_flow_run_state(run_id, state, force)
            if is_accepted:
                self.states.append(state.type)
                self.run.state_type = state.type
            raise httpx.ReadTimeout("no response")

    monkeypatch.setattr(rescue, "RETRY_SECONDS", 0.0)
    client = Silent(stopped)
    asyncio.run(rescuer(client, monkeypatch).reschedule(stopped.id, "The worker was stopped."))
    assert client.states == [StateType.SCHEDULED]


@pytest.mark.parametrize("updated", [[after(5), NOON], [NOON, after(5)]])
def test_the_latest_heartbeat_counts(updated: list[datetime], monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = uuid4()

    class Client:
        async def read_artifacts(self, **_: Any) -> list[Artifact]:
            return [Artifact(flow_run_id=run_id, updated=time) for time in updated]

    heartbeats = asyncio.run(rescuer(Client(), monkeypatch)._read_heartbeats([run_id]))
    assert heartbeats == {run_id: after(5)}


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
        StateType.COMPLETED,
        StateType.FAILED,
        StateType.CANCELLED,
    ],
)
def test_runs_in_other_states_are_never_lost(state_type: StateType) -> None:
    assert not is_lost(run(state_type), None, after(7 * DAY))


def test_a_run_without_a_state_is_not_lost() -> None:
    assert not is_lost(FlowRun(id=uuid4(), flow_id=uuid4(), state=None), None, after(DAY))
