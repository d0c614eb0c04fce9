"""Read the Prefect artifacts of a run, which contain its progress and the columns of its file."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import Artifact

from flows.runs.receipt import RunProgress, parse_metadata

# Types of artifacts. The columns have their own artifact because Prefect truncates metadata at 500
# characters.
PROGRESS, COLUMNS = "progress", "columns"


def progress_filter(run_ids: Iterable[UUID]) -> ArtifactFilter:
    return _filter(PROGRESS, run_ids)


def columns_filter(run_id: UUID) -> ArtifactFilter:
    return _filter(COLUMNS, [run_id])


def _filter(artifact_type: str, run_ids: Iterable[UUID]) -> ArtifactFilter:
    return ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids)),
        type=ArtifactFilterType(any_=[artifact_type]),
    )


def read_progress(client: SyncPrefectClient, run_ids: Iterable[UUID]) -> dict[str, RunProgress]:
    """Return the progress of up to 200 runs, by run id. Runs without progress are omitted."""
    return progress_by_run(client.read_artifacts(artifact_filter=progress_filter(run_ids)))


def progress_by_run(artifacts: Iterable[Artifact]) -> dict[str, RunProgress]:
    progress = ((str(artifact.flow_run_id), _progress(artifact)) for artifact in artifacts)
    return {run_id: progress for run_id, progress in progress if progress is not None}


def _progress(artifact: Artifact) -> RunProgress | None:
    progress = parse_metadata(artifact.metadata_)
    return replace(progress, heartbeat_at=cast("datetime | None", artifact.updated)) if progress else None
