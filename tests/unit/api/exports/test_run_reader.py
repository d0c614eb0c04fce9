"""Test that a run's state and progress are consistent, and that pages read no more runs than necessary."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, Operator
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Cancelled, Completed, Crashed, Failed, Running, Scheduled

from api.access.caller import Caller
from api.access.catalog import Catalog
from api.exports.flow_run_job import as_job
from api.exports.job import Status
from api.exports.list_query import ExportFilter, Position, Search
from api.exports.run_reader import RunReader
from api.prefect_server import JobServer
from flows.runs.receipt import RunProgress
from tests.support.clock import NOON
from tests.support.prefect_job import HALF, JOB_ID, WHOLE

FLOW_ID = UUID(int=7)
ATTEMPTS = 3
PAGE_SIZE = 10
# States and tags of runs. A completed run with the tag `receipt` has a file.
KINDS = (
    (Scheduled(), []),
    (Running(), []),
    (Running(), ["receipt"]),
    (Completed(), ["receipt"]),
    (Completed(), ["receipt", "expired"]),
    (Completed(message="rows.none: no rows"), ["code:rows.none"]),
    (Completed(name="NoRows", message="no rows"), []),
    (Failed(message="internal: broken"), ["code:internal"]),
    (Crashed(), []),
    (Cancelled(), []),
)


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
    """Fake Prefect client that reads from a list of runs and records the sizes of the reads."""

    def __init__(self, runs: Sequence[FlowRun]) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self._runs = runs

    async def read_flow_runs(self, flow_run_filter: Any, limit: int, **_: Any) -> list[FlowRun]:
        self.sizes.append(limit)
        return [run for run in self._runs if _matches(run, flow_run_filter)][:limit]

    async def read_artifacts(self, artifact_filter: Any, **_: Any) -> list[Artifact]:
        ids = artifact_filter.flow_run_id.any_
        return [
            Artifact(type="progress", flow_run_id=run.id, metadata_=WHOLE.as_metadata())
            for run in self._runs
            if run.id in ids and "receipt" in run.tags
        ]


def _matches(run: FlowRun, selected: FlowRunFilter) -> bool:
    seen = (selected.id.not_any_ if selected.id else None) or []
    all_tags = (selected.tags.all_ if selected.tags else None) or []
    any_tags = (selected.tags.any_ if selected.tags else None) or run.tags
    before = selected.expected_start_time.before_ if selected.expected_start_time else None
    assert run.expected_start_time is not None
    assert before is not None
    return (
        run.id not in seen
        and run.expected_start_time <= before
        and set(all_tags) <= set(run.tags)
        and (not any_tags or not set(any_tags).isdisjoint(run.tags))
        and (selected.state is None or _has_state(run, selected.state))
    )


def _has_state(run: FlowRun, selected: FlowRunFilterState) -> bool:
    assert run.state is not None
    matches = []
    if selected.type is not None:
        matches.append(run.state.type in (selected.type.any_ or ()))
    if selected.name is not None:
        matches.append(run.state.name in (selected.name.any_ or ()))
    return any(matches) if selected.operator == Operator.or_ else all(matches)


def _run(number: int, minutes: int, kind: int = 3, run_count: int = 1) -> FlowRun:
    state, tags = KINDS[kind]
    return FlowRun(
        id=UUID(int=number + 1),
        flow_id=FLOW_ID,
        state=state,
        tags=tags,
        expected_start_time=NOON - timedelta(minutes=minutes),
        run_count=run_count,
        parameters={"request": {"report": "orders" if number % 10 == 0 else "others"}},
    )


def runs_of_all_kinds(details: Sequence[tuple[int, int, int]]) -> list[FlowRun]:
    """Return one run for each tuple of its age in minutes, kind and number of attempts, newest first."""
    runs = [_run(number, *fields) for number, fields in enumerate(details)]
    return sorted(runs, key=lambda run: run.expected_start_time or NOON, reverse=True)


def reader_of(prefect: FinishingPrefect) -> RunReader:
    def client(**_: Any) -> Any:
        return prefect

    server = JobServer("export-report/export", 5, client)
    return RunReader(server, Catalog.of({}), attempts=ATTEMPTS)


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


def read_all(prefect: FinishingPrefect, selected: ExportFilter, page_size: int) -> list[int]:
    """Return the numbers of the runs on all pages."""

    async def read() -> list[int]:
        position: Position | None = Position(NOON)
        numbers: list[int] = []
        while position is not None:
            jobs, position = await reader_of(prefect).page(selected, page_size, position)
            assert len(jobs) <= page_size
            numbers += [UUID(job.run.id).int for job in jobs]
        return numbers

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("search", "expected", "sizes"),
    [
        (None, range(1, 1001), [PAGE_SIZE + 1] * 101),
        (Search("orders"), range(1, 1001, 10), None),
    ],
)
def test_pages_contain_each_export_once_and_read_few_others(
    search: Search | None, expected: range, sizes: list[int] | None
) -> None:
    prefect = HistoryOfRuns([_run(number, number // 2) for number in range(1000)])
    selected = ExportFilter(Caller("local"), search=search)
    assert read_all(prefect, selected, PAGE_SIZE) == list(expected)
    assert sizes is None or prefect.sizes == sizes[: len(prefect.sizes)]


@pytest.mark.parametrize("status", ["error", "cancelled", "expired"])
def test_a_list_of_a_final_status_reads_no_completed_exports(status: Status) -> None:
    kinds = [number // 50 % len(KINDS) if number % 50 == 0 else 3 for number in range(3000)]
    details = [(number, kind, ATTEMPTS) for number, kind in enumerate(kinds)]
    prefect = HistoryOfRuns(runs_of_all_kinds(details))
    read_all(prefect, ExportFilter(Caller("local"), status=status), PAGE_SIZE)
    assert set(prefect.sizes) == {PAGE_SIZE + 1}


@given(
    details=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, len(KINDS) - 1), st.integers(0, ATTEMPTS)), max_size=30
    ),
    status=st.sampled_from((None, *get_args(Status))),
    page_size=st.integers(1, 7),
)
def test_pages_of_a_status_contain_all_its_exports_once_and_newest_first(
    details: list[tuple[int, int, int]], status: Status | None, page_size: int
) -> None:
    runs = runs_of_all_kinds(details)
    numbers = read_all(HistoryOfRuns(runs), ExportFilter(Caller("local"), status=status), page_size)
    progress = {str(run.id): WHOLE for run in runs if "receipt" in run.tags}
    expected = [run.id.int for run in runs if status in (None, as_job(run, progress, ATTEMPTS).status)]
    times: dict[int, datetime | None] = {run.id.int: run.expected_start_time for run in runs}
    assert sorted(numbers) == sorted(expected)
    assert [times[number] for number in numbers] == [times[number] for number in expected]
