"""Test that a run is checked after its claim if it may have changed since the worker read it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    Scheduled,
)

from deployments.warm_worker.claims import MAX_READ_AGE_SECONDS, check_claim
from deployments.warm_worker.rescue import WORKER_CRASHED

NEW, OLD = 0.0, MAX_READ_AGE_SECONDS + 0.1


@dataclass
class FakeClient:
    """Fake Prefect client with one run, which another worker has executed once."""

    history: list[State[Any]]
    written: list[StateType] = field(default_factory=list)

    async def read_flow_run(self, run_id: UUID) -> FlowRun:
        return FlowRun(id=run_id, flow_id=uuid4(), run_count=1)

    async def read_flow_run_states(self, _: UUID) -> list[State[Any]]:
        return self.history

    async def set_flow_run_state(self, _: UUID, state: State[Any]) -> None:
        self.written.append(state.type)


def check(client: Any, state: State[Any], age_seconds: float) -> FlowRun | None:
    run = FlowRun(id=uuid4(), flow_id=uuid4(), run_count=0, state=state)
    return asyncio.run(check_claim(client, run, time.monotonic() - age_seconds))


@pytest.mark.parametrize(("age_seconds", "run_count"), [(NEW, 0), (OLD, 1)])
def test_a_late_claim_knows_the_number_of_the_attempt(age_seconds: float, run_count: int) -> None:
    claimed = check(FakeClient([Scheduled(), Pending()]), Scheduled(), age_seconds)
    assert claimed is not None
    assert claimed.run_count == run_count


RESCUED = AwaitingRetry(message=WORKER_CRASHED)
RETRIED = AwaitingRetry(message="source.unavailable: The database could not be reached.")
BY_OPERATOR = AwaitingRetry(message="Retry from the UI")


@pytest.mark.parametrize("final", [Cancelled(), Failed(), Completed()])
@pytest.mark.parametrize("rescheduled", [RESCUED, RETRIED])
def test_a_run_that_ended_before_it_was_rescheduled_ends_again(
    final: State[Any], rescheduled: State[Any]
) -> None:
    client = FakeClient([Scheduled(), Pending(), final, rescheduled, Pending()])
    assert check(client, rescheduled, NEW) is None
    assert client.written == [final.type]


def test_a_run_that_ended_before_a_late_claim_ends_again() -> None:
    client = FakeClient([Scheduled(), Pending(), Running(), Failed(), Pending()])
    assert check(client, Scheduled(), OLD) is None
    assert client.written == [StateType.FAILED]


@pytest.mark.parametrize(
    "history",
    [
        [Pending(), RESCUED],
        [Scheduled(), Pending(), RESCUED],
        [Scheduled(), Pending(), Running(), RETRIED],
        [Scheduled(), Pending(), Running(), Crashed(), RESCUED],
        [Scheduled(), Pending(), Running(), Crashed(), RESCUED, Pending(), Running(), RETRIED],
        [Scheduled(), Cancelled(), BY_OPERATOR],
        [Scheduled(), Pending(), Running(), Failed(), BY_OPERATOR, Pending(), Running(), RETRIED],
    ],
)
@pytest.mark.parametrize("age_seconds", [NEW, OLD])
def test_a_retry_starts(history: list[State[Any]], age_seconds: float) -> None:
    client = FakeClient([*history, Pending()])
    assert check(client, history[-1], age_seconds) is not None
    assert client.written == []
