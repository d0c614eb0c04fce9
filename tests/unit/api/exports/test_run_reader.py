"""Test that a run's state and progress are consistent even though they are read in two calls."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Completed

from api.access.catalog import Catalog
from api.exports.run_reader import RunReader
from api.prefect_server import JobServer
from flows.runs.receipt import RunProgress
from tests.support.prefect_job import HALF, JOB_ID, WHOLE

FLOW_ID = UUID(int=7)


class FinishingPrefect:
    """Fake Prefect client whose run ends after its progress is read but before its state is read."""

    def __init__(self, *earlier_reads: RunProgress) -> None:
        self.earlier_reads = list(earlier_reads)

    async def read_artifacts(self, **_: Any) -> list[Artifact]:
        progress = self.earlier_reads.pop(0)
        return [Artifact(type="progress", flow_run_id=UUID(JOB_ID), metadata_=progress.as_metadata())]

    async def read_flow_run(self, _: UUID) -> FlowRun:
        state = Completed()
        return FlowRun(id=UUID(JOB_ID), flow_id=FLOW_ID, state=state, state_type=state.type)

    async def read_flow_runs(self, **_: Any) -> list[FlowRun]:
        return [await self.read_flow_run(UUID(JOB_ID))]

    async def read_deployment_by_name(self, _: str) -> DeploymentResponse:
        return DeploymentResponse(id=UUID(int=1), name="any", flow_id=FLOW_ID)


def reader_of(prefect: FinishingPrefect) -> RunReader:
    def client(**_: Any) -> Any:
        return prefect

    server = JobServer("export-report/export", 5, client)
    return RunReader(server, Catalog.of({}), attempts=3)


@pytest.mark.parametrize("ask", ["one", "many"])
def test_a_final_state_is_never_shown_with_older_progress(ask: str) -> None:
    prefect = FinishingPrefect(HALF, WHOLE)

    async def read() -> str:
        reader = reader_of(prefect)
        if ask == "one":
            job = await reader.read(JOB_ID, "local")
        else:
            job = (await reader.read_many([JOB_ID]))[JOB_ID]
        assert job is not None
        return job.status

    assert asyncio.run(read()) == "done"
    assert prefect.earlier_reads == []
