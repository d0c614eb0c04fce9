"""Tells Prefect how far a run is: one progress artifact per run, written at most once a second."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType

from flows.receipt import Receipt, Standing, from_metadata, percent_of

SECONDS_BETWEEN_WRITES = 1.0
ARTIFACT_TYPE = "progress"


class Progress:
    """Never falls: a later attempt starts at the percent that an earlier one has shown."""

    def __init__(
        self,
        client: SyncPrefectClient,
        run_id: UUID,
        attempt: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._run_id, self._clock = client, run_id, clock
        self._standing = Standing()
        self._artifact_id: UUID | None = None
        self._written_at = -SECONDS_BETWEEN_WRITES
        if attempt > 1:
            self._take_over()

    def start(self, expected: int, snapshot_at: datetime) -> None:
        percent = self._standing.percent
        self._standing = Standing(percent, 0, expected, snapshot_at.isoformat())
        self._write()

    def advance(self, rows: int) -> None:
        """Counts rows that are on their way; tells Prefect when there is something new to see."""
        before = self._standing
        assert before.expected is not None  # noqa: S101 - start() comes first
        written = before.written + rows
        percent = max(before.percent, percent_of(written, before.expected))
        self._standing = replace(before, written=written, percent=percent)
        if percent > before.percent and self._clock() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write()

    def finish(self, receipt: Receipt, page: str, download_url: str) -> None:
        """Leaves the receipt, and for the Prefect UI a page about the run and a link to its file."""
        self._client.create_artifact(ArtifactCreate(type="markdown", flow_run_id=self._run_id, data=page))
        self._client.create_artifact(
            ArtifactCreate(
                type="markdown", flow_run_id=self._run_id, data=f"[{receipt.name}]({download_url})"
            )
        )
        self._standing = replace(self._standing, percent=100, receipt=receipt)
        self._write()

    def _take_over(self) -> None:
        found = self._client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[self._run_id]),
                type=ArtifactFilterType(any_=[ARTIFACT_TYPE]),
            )
        )
        for artifact in found:
            self._artifact_id = artifact.id
            earlier = from_metadata(artifact.metadata_)
            self._standing = Standing(percent=min(99, earlier.percent) if earlier else 0)

    def _write(self) -> None:
        standing = self._standing
        shown = {
            "data": standing.percent,
            "description": standing.rows_text,
            "metadata_": standing.as_metadata(),
        }
        if self._artifact_id is None:
            made = self._client.create_artifact(
                ArtifactCreate(type=ARTIFACT_TYPE, flow_run_id=self._run_id, **shown)
            )
            self._artifact_id = made.id
        else:
            self._client.update_artifact(self._artifact_id, ArtifactUpdate(**shown))
        self._written_at = self._clock()
