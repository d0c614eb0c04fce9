"""How often a run tells of itself, and when it asks whether it is still the one."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.errors import Superseded
from flows.runs import progress
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
    """Of Prefect's client, what ProgressReporter calls; keeps what it is told."""

    attempt: int = 1
    running: bool = True
    earlier: list[Any] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)
    reads: int = 0
    told: threading.Event = field(default_factory=threading.Event)

    def create_artifact(self, artifact: Any) -> Any:
        return self._keep(artifact)

    def update_artifact(self, artifact_id: UUID, artifact: Any) -> Any:
        return self._keep(artifact)

    def read_artifacts(self, **_: Any) -> list[Any]:
        return self.earlier

    def read_flow_run(self, run_id: UUID) -> Any:
        assert run_id == RUN_ID
        self.reads += 1
        state = SimpleNamespace(is_running=lambda: self.running)
        return SimpleNamespace(run_count=self.attempt, state=state)

    def _keep(self, artifact: Any) -> Any:
        self.written.append(artifact)
        self.told.set()
        return SimpleNamespace(id=uuid4())

    @property
    def percents(self) -> list[int]:
        return [each.data for each in self.written]


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def begun(client: Any, clock: Seconds, attempt: int = 1, expected: int = 100) -> ProgressReporter:
    """Without its heartbeat: what enters the block starts that."""
    found = ProgressReporter(client, RUN_ID, attempt, clock)
    if attempt > 1:
        found._resume()
    found.start(expected, NOON)
    return found


def test_it_is_written_at_most_once_a_second(client: FakeClient, clock: Seconds) -> None:
    found = begun(client, clock)
    for _ in range(100):
        clock.now += 0.1
        found.advance(1)
    assert len(client.written) in (9, 10)
    assert client.percents == sorted(client.percents)
    assert client.reads == 0


def test_a_run_of_less_than_a_second_writes_its_receipt_only(client: FakeClient, clock: Seconds) -> None:
    found = begun(client, clock)
    clock.now += 0.5
    found.advance(100)
    assert client.written == []
    found.finish(RECEIPT)
    (receipt,) = client.written
    assert receipt.data == 100
    assert receipt.metadata_["file_sha256"] == RECEIPT.sha256


def test_before_the_receipt_it_says_at_most_99(client: FakeClient, clock: Seconds) -> None:
    found = begun(client, clock, expected=10)
    clock.now += 2
    found.advance(10)
    assert client.percents == [99]


def test_a_later_attempt_never_shows_less_than_an_earlier_one_did(client: FakeClient, clock: Seconds) -> None:
    client.earlier = [SimpleNamespace(id=uuid4(), metadata_=HALF.as_metadata())]
    found = begun(client, clock, attempt=2)
    for rows in (1, 48, 1, 20):
        clock.now += 1.5
        found.advance(rows)
    assert client.percents == [50, 50, 50, 69]


def test_the_receipt_of_an_earlier_attempt_counts_for_nothing(client: FakeClient, clock: Seconds) -> None:
    whole = progress.RunProgress(100, 417, 417, RECEIPT.snapshot_at, RECEIPT)
    client.earlier = [SimpleNamespace(id=uuid4(), metadata_=whole.as_metadata())]
    found = begun(client, clock, attempt=2)
    clock.now += 1.5
    found.advance(1)
    assert client.percents == [99]
    assert "file_sha256" not in client.written[0].metadata_


def test_within_its_lease_an_attempt_asks_nobody(client: FakeClient, clock: Seconds) -> None:
    found = begun(client, clock)
    clock.now += LEASE_SECONDS - 0.1
    found.check_current()
    assert client.reads == 0


def test_after_a_silence_it_asks_once_and_goes_on(client: FakeClient, clock: Seconds) -> None:
    found = begun(client, clock)
    clock.now += LEASE_SECONDS + 1
    found.check_current()
    found.check_current()
    assert client.reads == 1


@pytest.mark.parametrize(("attempt", "running"), [(2, True), (1, False)], ids=["replaced", "put back"])
def test_after_a_silence_in_which_it_was_given_up_it_stops_for_good(
    client: FakeClient, clock: Seconds, attempt: int, running: bool
) -> None:
    found = begun(client, clock)
    client.attempt, client.running = attempt, running
    clock.now += LEASE_SECONDS + 1
    with pytest.raises(Superseded):
        found.advance(1)
    with pytest.raises(Superseded):
        found.finish(RECEIPT)
    assert (client.written, client.reads) == ([], 1)


def test_the_heart_beats_while_no_row_comes(
    client: FakeClient, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.02)
    with ProgressReporter(client, RUN_ID, 1, clock):  # type: ignore[arg-type]
        clock.now += HEARTBEAT_SECONDS
        assert client.told.wait(10)
    told = len(client.written)
    clock.now += HEARTBEAT_SECONDS
    threading.Event().wait(0.05)
    assert len(client.written) == told, "it beats no longer than the run lasts"
