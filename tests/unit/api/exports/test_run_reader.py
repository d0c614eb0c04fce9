"""Test that a run's state and progress are consistent, and that pages read no more runs than necessary."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Completed

from api.access.caller import Caller
from api.access.catalog import Catalog
from api.exports.list_query import ExportFilter, Position, Search
from api.exports.run_reader import RunReader
from api.prefect_server import JobServer
from flows.runs.receipt import RunProgress
from tests.support.clock import NOON
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


class HistoryOfRuns(FinishingPrefect):
    """Fake Prefect client with many completed runs, of which every tenth is of the report `orders`."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self._runs = [_run(number) for number in range(runs)]

    async def read_flow_runs(self, flow_run_filter: Any, limit: int, **_: Any) -> list[FlowRun]:
        self.sizes.append(limit)
        seen = flow_run_filter.id.not_any_ if flow_run_filter.id else []
        before = flow_run_filter.expected_start_time.before_
        return [
            run
            for run in self._runs
            if run.id not in seen and run.expected_start_time and run.expected_start_time <= before
        ][:limit]

    async def read_artifacts(self, **_: Any) -> list[Artifact]:
        return []


def _run(number: int) -> FlowRun:
    at = NOON - timedelta(minutes=number // 2)
    name = "orders" if number % 10 == 0 else "others"
    return FlowRun(
        id=UUID(int=number + 1),
        flow_id=FLOW_ID,
        state=Completed(),
        expected_start_time=at,
        parameters={"request": {"report": name}},
    )


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


@pytest.mark.parametrize(
    ("search", "expected", "sizes"),
    [
        (None, range(1, 1001), [11] * 101),
        (Search("orders"), range(1, 1001, 10), None),
    ],
)
def test_pages_contain_each_export_once_and_read_few_others(
    search: Search | None, expected: range, sizes: list[int] | None
) -> None:
    prefect = HistoryOfRuns(1000)
    selected = ExportFilter(Caller("local"), search=search)

    async def read_all() -> list[int]:
        reader, position, numbers = reader_of(prefect), Position(NOON), []
        while position is not None:
            jobs, position = await reader.page(selected, 10, position)
            numbers += [UUID(job.run.id).int for job in jobs]
        return numbers

    assert asyncio.run(read_all()) == list(expected)
    assert sizes is None or prefect.sizes == sizes[: len(prefect.sizes)]
