"""Test that no artifacts remain if a run is deleted while its artifacts are being written."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from flows.runs.artifacts import COLUMNS, PAGE, create_artifacts
from flows.runs.tags import DELETED_TAG

CONTENTS = [(COLUMNS, []), (PAGE, "# Orders")]


@dataclass
class Prefect:
    """Fake Prefect client that stores artifacts. `tags` is None if the run does not exist."""

    tags: list[str] | None
    artifacts: dict[UUID, dict[str, Any]] = field(default_factory=dict)

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
        if self.tags is None:
            raise ObjectNotFound(http_exc=Exception())
        return SimpleNamespace(tags=self.tags)


@pytest.mark.parametrize(
    ("tags", "types"), [(["owner:ada"], [COLUMNS, PAGE]), ([DELETED_TAG], []), (None, [])]
)
def test_a_deleted_run_keeps_no_artifacts(tags: list[str] | None, types: list[str]) -> None:
    prefect = Prefect(tags)
    create_artifacts(cast(SyncPrefectClient, prefect), uuid4(), CONTENTS)
    assert [artifact["type"] for artifact in prefect.artifacts.values()] == types
