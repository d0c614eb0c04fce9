"""Create, read and delete the Prefect artifacts of a run.

This module writes two artifacts of a run: its progress, and its page with the columns of its file. They are
created and updated by direct requests to the API. The methods of Prefect's client would also send an event
each time, and nothing uses these events. Prefect adds an artifact for the run's stored result (see
final_states.completed).
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import Artifact
from prefect.exceptions import ObjectNotFound

from flows.runs import summary_page
from flows.runs.receipt import RunProgress, parse_metadata
from flows.runs.tags import DELETED_TAG

# Artifact types that the Prefect UI can display.
PROGRESS, PAGE = "progress", "markdown"
# Earlier versions stored the columns in a separate artifact, as a table or as a list.
EARLIER_COLUMNS = ("table", "columns")
# The API deletes the run of a deleted export only if the run ended at least a minute ago. Until then, the run
# is hidden, and the sweep deletes it together with its page.
PAGE_DELAY = timedelta(seconds=10)


def progress_filter(run_ids: Iterable[UUID]) -> ArtifactFilter:
    return _filter([PROGRESS], run_ids)


def columns_filter(run_id: UUID) -> ArtifactFilter:
    return _filter([PAGE, *EARLIER_COLUMNS], [run_id])


def page_filter(run_id: UUID) -> ArtifactFilter:
    """Return the filter that selects the page artifact of a run.

    The page shows the request, the first rows and the columns of the file.
    """
    return _filter([PAGE], [run_id])


def all_filter(*run_ids: UUID) -> ArtifactFilter:
    return ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids)))


def create_artifact(client: SyncPrefectClient, artifact: ArtifactCreate) -> UUID:
    body = artifact.model_dump(mode="json", exclude_unset=True)
    return UUID(client.request("POST", "/artifacts/", json=body).json()["id"])


def update_artifact(client: SyncPrefectClient, artifact_id: UUID, artifact: ArtifactUpdate) -> None:
    body = artifact.model_dump(mode="json", exclude_unset=True)
    client.request("PATCH", "/artifacts/{id}", json=body, path_params={"id": artifact_id})


def create_page(client: SyncPrefectClient, run_id: UUID, page: str, ended_at: datetime) -> None:
    """Create the page of a run that ended at `ended_at`.

    If the page is late, its run may have been deleted in the meantime. The page is then deleted again.
    """
    create_artifact(client, ArtifactCreate(type=PAGE, flow_run_id=run_id, data=page))
    # This check must come last. If a deletion starts after the check, the deletion itself removes the page.
    if datetime.now(UTC) - ended_at > PAGE_DELAY and _is_deleted(client, run_id):
        delete_artifacts(client, all_filter(run_id))


def find_columns(artifacts: Iterable[Artifact]) -> list[dict[str, Any]] | None:
    """Return the columns that are stored in the artifacts of a run, or None."""
    data_by_type = {artifact.type: artifact.data for artifact in artifacts}
    for earlier in EARLIER_COLUMNS:
        if (data := data_by_type.get(earlier)) is not None:
            return cast("list[dict[str, Any]]", json.loads(data) if isinstance(data, str) else data)
    page = data_by_type.get(PAGE)
    return summary_page.parse_columns(page) if isinstance(page, str) else None


def _is_deleted(client: SyncPrefectClient, run_id: UUID) -> bool:
    try:
        return DELETED_TAG in client.read_flow_run(run_id).tags
    except ObjectNotFound:
        return True


def delete_artifacts(client: SyncPrefectClient, selected: ArtifactFilter) -> None:
    while artifacts := client.read_artifacts(artifact_filter=selected):  # Each call returns at most 200.
        for artifact in artifacts:
            with suppress(ObjectNotFound):  # Another request has deleted it.
                client.delete_artifact(artifact.id)


def _filter(types: list[str], run_ids: Iterable[UUID]) -> ArtifactFilter:
    return ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids)),
        type=ArtifactFilterType(any_=types),
    )


def read_progress(client: SyncPrefectClient, run_ids: Iterable[UUID]) -> dict[str, RunProgress]:
    """Return the progress of up to 200 runs, keyed by run id. Runs without progress are omitted."""
    return progress_by_run(client.read_artifacts(artifact_filter=progress_filter(run_ids)))


def progress_by_run(artifacts: Iterable[Artifact]) -> dict[str, RunProgress]:
    """Return the current progress of each run.

    A run has a second progress artifact if the response to the creation of the first one was lost. Only one
    of them receives the later updates.
    """
    latest: dict[str, RunProgress] = {}
    for artifact in artifacts:
        run_id, progress = str(artifact.flow_run_id), _progress(artifact)
        if progress is not None:
            latest[run_id] = max(progress, latest.get(run_id, progress), key=_recency)
    return latest


def _recency(progress: RunProgress) -> tuple[int, datetime]:
    """Return a sort key.

    A receipt counts more than the time, because a delayed request may create the other artifact later.
    """
    attempt = progress.receipt.attempt if progress.receipt is not None else 0
    return attempt, progress.heartbeat_at or datetime.min.replace(tzinfo=UTC)


def _progress(artifact: Artifact) -> RunProgress | None:
    progress = parse_metadata(artifact.metadata_)
    return replace(progress, heartbeat_at=cast("datetime | None", artifact.updated)) if progress else None
