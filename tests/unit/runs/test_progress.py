"""Test how often ProgressReporter writes, and when it checks that its attempt is still current."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import Artifact

from flows.errors import Superseded
from flows.runs import prefect_calls, progress
from flows.runs.progress import HEARTBEAT_SECONDS, LEASE_SECONDS, ProgressReporter
from tests.support.clock import NOON
from tests.support.prefect_job import HALF, RECEIPT

RUN_ID = UUID("899e1228-d7b8-40fc-8490-70e6f1efb338")


@dataclass
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeClient:
    """Fake Prefect client that records what ProgressReporter writes."""

    attempt: int = 1
    running: bool = True
    earlier: list[Any] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)
    reads: int = 0
    wrote: threading.Event = field(default_factory=threading.Event)
    failures: int = 0

    def request(self, method: str, path: str, json: Any, **_: Any) -> Any:
        assert (method, path) in (("POST", "/artifacts/"), ("PATCH", "/artifacts/{id}"))
        return self._record(SimpleNamespace(**json))

    def read_artifacts(self, **_: Any) -> list[Any]:
        return self.earlier

    def read_flow_run(self, run_id: UUID) -> Any:
        assert run_id == RUN_ID
        self._fail()
        self.reads += 1
        state = SimpleNamespace(is_running=lambda: self.running)
        return SimpleNamespace(run_count=self.attempt, state=state)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise httpx.ConnectError("refused")

    def _record(self, artifact: Any) -> Any:
        self._fail()
        self.written.append(artifact)
        self.wrote.set()
        return SimpleNamespace(json=lambda: {"id": str(uuid4())})

    @property
    def percents(self) -> list[int]:
        return [artifact.data for artifact in self.written]


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def artifact(previous: progress.RunProgress) -> Artifact:
    return Artifact(id=uuid4(), flow_run_id=RUN_ID, metadata_=previous.as_metadata(), updated=NOON)


def started(client: Any, clock: Seconds, attempt: int = 1, expected: int = 100) -> ProgressReporter:
    """Start a reporter without the heartbeat thread that `__enter__` would start."""
    reporter = ProgressReporter(client, RUN_ID, attempt, clock)
    if attempt > 1:
        reporter._resume()
    reporter.start(expected, NOON)
    return reporter


def test_progress_is_written_at_most_once_a_second(client: FakeClient, clock: Seconds) -> None:
    reporter = started(client, clock)
    for _ in range(100):
        clock.now += 0.1
        reporter.advance(1)
    assert len(client.written) in (9, 10)
    assert client.percents == sorted(client.percents)
    assert client.reads == 0


def test_a_run_shorter_than_a_second_writes_only_its_receipt(client: FakeClient, clock: Seconds) -> None:
    reporter = started(client, clock)
    clock.now += 0.5
    reporter.advance(100)
    assert client.written == []
    reporter.finish(RECEIPT)
    (receipt,) = client.written
    assert receipt.data == 100
    assert receipt.metadata_["file_sha256"] == RECEIPT.sha256


def test_progress_stays_below_100_before_the_receipt(client: FakeClient, clock: Seconds) -> None:
    reporter = started(client, clock, expected=10)
    clock.now += 2
    reporter.advance(10)
    assert client.percents == [99]


def test_a_retry_never_shows_less_than_the_previous_attempt(client: FakeClient, clock: Seconds) -> None:
    client.earlier = [artifact(HALF)]
    reporter = started(client, clock, attempt=2)
    for rows in (1, 48, 1, 20):
        clock.now += 1.5
        reporter.advance(rows)
    assert client.percents == [50, 50, 50, 69]


def test_the_receipt_of_an_earlier_attempt_is_ignored(client: FakeClient, clock: Seconds) -> None:
    whole = progress.RunProgress(100, 417, 417, RECEIPT.snapshot_at, RECEIPT)
    client.earlier = [artifact(whole)]
    reporter = started(client, clock, attempt=2)
    clock.now += 1.5
    reporter.advance(1)
    assert client.percents == [99]
    assert "file_sha256" not in client.written[0].metadata_


def test_an_attempt_within_its_lease_does_not_ask_prefect(client: FakeClient, clock: Seconds) -> None:
    reporter = started(client, clock)
    clock.now += LEASE_SECONDS - 0.1
    reporter.check_current()
    assert client.reads == 0


def test_a_current_attempt_continues_after_a_silence(client: FakeClient, clock: Seconds) -> None:
    reporter = started(client, clock)
    clock.now += LEASE_SECONDS + 1
    reporter.check_current()
    reporter.check_current()
    assert client.reads == 1


@pytest.mark.parametrize(("attempt", "running"), [(2, True), (1, False)], ids=["replaced", "retried"])
def test_a_replaced_attempt_stops_after_a_silence(
    client: FakeClient, clock: Seconds, attempt: int, running: bool
) -> None:
    reporter = started(client, clock)
    client.attempt, client.running = attempt, running
    clock.now += LEASE_SECONDS + 1
    with pytest.raises(Superseded):
        reporter.advance(1)
    with pytest.raises(Superseded):
        reporter.finish(RECEIPT)
    assert (client.written, client.reads) == ([], 1)


def test_an_export_continues_while_its_progress_cannot_be_written(
    client: FakeClient, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_calls, "RETRY_SECONDS", 0.01)
    reporter = started(client, clock)
    client.failures = 1
    clock.now += 2
    reporter.advance(1)
    assert client.written == []
    client.failures = 3
    clock.now += LEASE_SECONDS + 1
    reporter.advance(1)
    reporter.finish(RECEIPT)
    assert client.percents == [100]


def test_the_heartbeat_continues_without_new_rows(
    client: FakeClient, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.02)
    with ProgressReporter(client, RUN_ID, 1, clock):  # type: ignore[arg-type]
        clock.now += HEARTBEAT_SECONDS
        assert client.wrote.wait(10)
    writes = len(client.written)
    clock.now += HEARTBEAT_SECONDS
    threading.Event().wait(0.05)
    assert len(client.written) == writes, "the heartbeat continues after the run"
