"""Test that no page of a deleted run remains, and that columns are found in artifacts of all versions."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Artifact
from prefect.exceptions import ObjectNotFound

from flows.runs.artifacts import PAGE, create_page, find_columns, progress_by_run
from flows.runs.receipt import RunProgress
from flows.runs.tags import DELETED_TAG
from tests.support.clock import NOON
from tests.support.prefect_job import HALF, RECEIPT, WHOLE

COLUMNS = [{"key": "id", "label": "Order", "type": "integer"}]


@dataclass
class Prefect:
    """Fake Prefect client that stores artifacts. `tags` is None if the run does not exist."""

    tags: list[str] | None
    artifacts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    reads: int = 0

    def request(self, method: str, path: str, json: dict[str, Any]) -> SimpleNamespace:
        assert (method, path) == ("POST", "/artifacts/")
        artifact_id = uuid4()
        self.artifacts[artifact_id] = json
        return SimpleNamespace(json=lambda: {"id": str(artifact_id)})

    def read_artifacts(self, **_: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=artifact_id) for artifact_id in self.artifacts]

    def delete_artifact(self, artifact_id: UUID) -> None:
        del self.artifacts[artifact_id]

    def read_flow_run(self, _: UUID) -> SimpleNamespace:
        self.reads += 1
        if self.tags is None:
            raise ObjectNotFound(http_exc=Exception())
        return SimpleNamespace(tags=self.tags)


def write_page(prefect: Prefect, delay: timedelta) -> None:
    create_page(cast(SyncPrefectClient, prefect), uuid4(), "# Orders", datetime.now(UTC) - delay)


@pytest.mark.parametrize("tags", [[DELETED_TAG], None])
def test_a_late_page_of_a_deleted_run_is_deleted(tags: list[str] | None) -> None:
    prefect = Prefect(tags)
    write_page(prefect, delay=timedelta(minutes=1))
    assert prefect.artifacts == {}


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(minutes=1)])
def test_a_run_keeps_its_page(delay: timedelta) -> None:
    prefect = Prefect(["owner:ada"])
    write_page(prefect, delay)
    assert [(item["type"], item["data"]) for item in prefect.artifacts.values()] == [(PAGE, "# Orders")]
    assert prefect.reads == (1 if delay else 0)


@pytest.mark.parametrize(
    "artifacts",
    [
        [Artifact(type="table", data=json.dumps(COLUMNS)), Artifact(type=PAGE, data="# Orders")],
        [Artifact(type="columns", data=COLUMNS)],
        [Artifact(type=PAGE, data=f"# Orders\n\n## Columns\n\n```json\n{json.dumps(COLUMNS)}\n```")],
    ],
)
def test_columns_of_this_and_earlier_versions_are_found(artifacts: list[Artifact]) -> None:
    assert find_columns(artifacts) == COLUMNS


@pytest.mark.parametrize("artifacts", [[], [Artifact(type=PAGE, data="# Orders")]])
def test_missing_columns_are_none(artifacts: list[Artifact]) -> None:
    assert find_columns(artifacts) is None


@pytest.mark.parametrize(
    ("stale", "current", "stale_is_newer"),
    [
        (HALF, WHOLE, False),
        # The request that created the first artifact was delayed until the file was complete.
        (HALF, WHOLE, True),
        (WHOLE, replace(WHOLE, receipt=replace(RECEIPT, attempt=RECEIPT.attempt + 1)), True),
        (RunProgress(), HALF, False),
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_receipt_is_found_if_a_run_has_two_progress_artifacts(
    stale: RunProgress, current: RunProgress, stale_is_newer: bool, is_reversed: bool
) -> None:
    """A second artifact is created if the response to the creation of the first one was lost."""
    run_id, age = uuid4(), timedelta(seconds=-1 if stale_is_newer else 1)
    artifacts = [
        Artifact(flow_run_id=run_id, metadata_=stale.as_metadata(), updated=NOON - age),
        Artifact(flow_run_id=run_id, metadata_=current.as_metadata(), updated=NOON),
    ]
    assert progress_by_run(reversed(artifacts) if is_reversed else artifacts) == {str(run_id): current}
