"""Test that renaming a run does not hide its deletion from the sweep."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

from flows.runs.run_name import name_run
from flows.runs.tags import DELETED_NAME, DELETED_TAG

RUN_ID = UUID(int=7)


@dataclass
class Prefect:
    """A fake Prefect client that knows one run."""

    tags: list[str]
    is_down: bool = False
    names: list[str] = field(default_factory=list)

    def update_flow_run(self, _: UUID, name: str) -> None:
        if self.is_down:
            raise httpx.ConnectError("down")
        self.names.append(name)

    def read_flow_run(self, _: UUID) -> SimpleNamespace:
        return SimpleNamespace(tags=self.tags)


@pytest.mark.parametrize(
    ("prefect", "name"),
    [
        (Prefect(["owner:ada"]), f"orders-{RUN_ID}"),
        (Prefect([DELETED_TAG]), f"{DELETED_NAME}{RUN_ID}"),
        (Prefect(["owner:ada"], is_down=True), None),
    ],
    ids=["planned", "deleted meanwhile", "Prefect away"],
)
def test_a_run_is_named_after_its_report_and_id(prefect: Prefect, name: str | None) -> None:
    name_run(cast(SyncPrefectClient, prefect), RUN_ID, "orders")
    assert (prefect.names[-1] if prefect.names else None) == name
