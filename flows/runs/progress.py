"""Report a run's progress and heartbeat to Prefect. Each run has one progress artifact.

The artifact is written at most once a second and at least every 5 s. Its `updated` timestamp is the
heartbeat. A worker may replace an attempt whose heartbeat is late (see deployments/warm_worker/rescue.py). An
attempt that has been unable to write its heartbeat for a while therefore checks whether it is still the
current attempt. If it is not, it stops.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from flows.errors import Superseded
from flows.runs import prefect_calls
from flows.runs.artifacts import (
    PROGRESS,
    create_artifact,
    progress_by_run,
    progress_filter,
    update_artifact,
)
from flows.runs.prefect_calls import call_patiently
from flows.runs.receipt import Receipt, RunProgress, percent_written

SECONDS_BETWEEN_WRITES = 1.0
HEARTBEAT_SECONDS = 5.0
# This must be shorter than the time after which a worker reschedules a run that sends no heartbeat.
LEASE_SECONDS = 2 * HEARTBEAT_SECONDS

logger = logging.getLogger(__name__)


class ProgressReporter:
    """Reports the progress of one attempt.

    The percentage never falls. A retry starts at the percentage of the previous attempt.
    """

    def __init__(
        self,
        client: SyncPrefectClient,
        run_id: UUID,
        attempt: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._run_id, self._attempt, self._clock = client, run_id, attempt, clock
        self._progress = RunProgress()
        self._artifact_id: UUID | None = None
        self._alive_at = self._written_at = clock()
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._superseded = False

    def __enter__(self) -> "ProgressReporter":
        if self._attempt > 1:
            self._resume()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def start(self, expected: int, snapshot_at: datetime) -> None:
        self._progress = RunProgress(self._progress.percent, 0, expected, snapshot_at.isoformat())

    def advance(self, rows: int) -> None:
        """Add `rows` to the number of rows written.

        Raises Superseded if another attempt has taken over.
        """
        before = self._progress
        assert before.expected is not None  # noqa: S101 - start() comes first
        written = before.written + rows
        percent = max(before.percent, percent_written(written, before.expected))
        self._progress = replace(before, written=written, percent=percent)
        if self._superseded:
            raise Superseded
        if self._clock() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write_unless_superseded()

    def reach(self, rows: int) -> None:
        """Set the number of written rows to `rows`, unless the number is already higher."""
        self.advance(max(0, rows - self._progress.written))

    def check_current(self) -> None:
        """Raise Superseded if another attempt has taken over.

        Prefect is queried only if the lease has expired. The query is retried while Prefect is unavailable.
        """
        call_patiently(self._check_lease)

    def finish(self, receipt: Receipt) -> None:
        self.check_current()
        self._progress = replace(self._progress, percent=100, receipt=receipt)
        call_patiently(self._write)

    def _check_lease(self) -> None:
        if self._superseded:
            raise Superseded
        if self._clock() - self._alive_at < LEASE_SECONDS:
            return
        run = self._client.read_flow_run(self._run_id)
        if run.run_count != self._attempt or run.state is None or not run.state.is_running():
            self._superseded = True
            raise Superseded
        self._alive_at = self._clock()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS / 4):
            if self._clock() - self._written_at < HEARTBEAT_SECONDS * 3 / 4:
                continue
            try:
                self._write_unless_superseded()
            except Superseded:
                return

    def _write_unless_superseded(self) -> None:
        try:
            self._check_lease()
            self._write()
        except prefect_calls.ERRORS:  # The export continues, and a later write reports the progress.
            self._written_at = self._clock()
            logger.warning("could not write the progress; retrying", exc_info=True)

    def _resume(self) -> None:
        selected = progress_filter([self._run_id])
        artifacts = call_patiently(lambda: self._client.read_artifacts(artifact_filter=selected))
        for artifact in artifacts:
            self._artifact_id = artifact.id
        previous = progress_by_run(artifacts).get(str(self._run_id))
        self._progress = RunProgress(percent=min(99, previous.percent) if previous else 0)

    def _write(self) -> None:
        with self._writing:
            if self._ended.is_set():
                return
            self._written_at = self._clock()
            self._put(self._progress)
            self._alive_at = self._written_at

    def _put(self, progress: RunProgress) -> None:
        if self._artifact_id is None:
            self._artifact_id = create_artifact(
                self._client,
                ArtifactCreate(
                    type=PROGRESS,
                    flow_run_id=self._run_id,
                    data=progress.percent,
                    description=progress.rows_text,
                    metadata_=progress.as_metadata(),
                ),
            )
        else:
            update_artifact(
                self._client,
                self._artifact_id,
                ArtifactUpdate(
                    data=progress.percent,
                    description=progress.rows_text,
                    metadata_=progress.as_metadata(),
                ),
            )
