from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.states import Pending, Running

from deployments.warm_worker.processes.engine_calls import answered_locally


class Client:
    """Fake Prefect client that records requests instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def update_flow_run(self, flow_run_id: UUID, **changes: Any) -> None:
        self.sent.append(f"update {', '.join(changes)}")

    def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        self.sent.append("read")
        return FlowRun(id=flow_run_id, flow_id=uuid4(), run_count=7)


def claimed_run(name: str | None = None) -> FlowRun:
    run_id = uuid4()
    return FlowRun(id=run_id, name=name or f"orders-{run_id}", flow_id=uuid4(), run_count=1, state=Pending())


def start(client: Client, run: FlowRun, retries: int = 0) -> FlowRun:
    """Call the client as the flow engine does, and return the run that the engine reads."""
    policy = FlowRunPolicy(retries=retries)
    client.update_flow_run(run.id, flow_version="1", empirical_policy=policy)
    run.state = Running()
    return client.read_flow_run(run.id)


def test_start_of_an_export_sends_neither_request() -> None:
    client, run = Client(), claimed_run()
    with answered_locally(cast("Any", client), run):
        started = start(client, run)
    assert client.sent == []
    assert (started.id, started.run_count, started.state) == (run.id, 2, run.state)


def test_later_calls_are_sent() -> None:
    client, run = Client(), claimed_run()
    with answered_locally(cast("Any", client), run):
        start(client, run)
        client.update_flow_run(run.id, name="new")
        assert client.read_flow_run(run.id).run_count == 7
    assert client.sent == ["update name", "read"]


def test_retries_of_a_flow_are_stored() -> None:
    client, run = Client(), claimed_run()
    with answered_locally(cast("Any", client), run):
        start(client, run, retries=2)
    assert client.sent == ["update flow_version, empirical_policy"]


def test_run_without_its_final_name_is_read_again() -> None:
    client, run = Client(), claimed_run("orders-1f3a")
    with answered_locally(cast("Any", client), run):
        assert start(client, run).run_count == 7
    assert client.sent == ["read"]


@pytest.mark.parametrize("calls", [0, 1])
def test_client_is_unchanged_after_the_run(calls: int) -> None:
    client, run = Client(), claimed_run()
    with answered_locally(cast("Any", client), run):
        for _ in range(calls):
            start(client, run)
    assert vars(client).keys() == {"sent"}
