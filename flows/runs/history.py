"""Read recently finished runs from Prefect without reading the whole history, and delete old runs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from flows.runs.artifacts import all_filter, delete_artifacts

PAGE_SIZE = 200  # Prefect's maximum
RUNS_PER_DELETION = 50  # Prefect's maximum


def read_ended_runs(
    client: SyncPrefectClient,
    flow_name: str,
    after: datetime | None,
    before: datetime,
    states: Sequence[StateType] = tuple(TERMINAL_STATES),
    tag: str | None = None,
    name: str | None = None,
    page_size: int | None = None,
) -> Iterator[FlowRun]:
    """Yield the runs that ended in this period, newest first.

    If `name` is set, only runs whose name contains it are returned. Each page starts at the end time of the
    last run on the previous page. With an offset, Prefect would read all earlier pages again.
    """
    seen: list[UUID] = []
    size = page_size or PAGE_SIZE
    while True:
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow_name])),
            flow_run_filter=FlowRunFilter(
                end_time=FlowRunFilterEndTime(after_=after, before_=before),
                id=FlowRunFilterId(not_any_=seen) if seen else None,
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
                tags=FlowRunFilterTags(all_=[tag]) if tag is not None else None,
                name=FlowRunFilterName(like_=name) if name is not None else None,
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=size,
        )
        yield from page
        if len(page) < size:
            return
        last = cast(datetime, page[-1].end_time)
        seen = [run.id for run in page if run.end_time == last] + (seen if last == before else [])
        before = last


def delete_runs(
    client: SyncPrefectClient, flow_names: Sequence[str], ended_before: datetime, at_most: int
) -> int:
    """Delete old runs in small batches, together with their task runs, logs and artifacts.

    Return the number of deleted runs.
    """
    deleted = 0
    while deleted < at_most:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(flow_names))),
            flow_run_filter=_ended_before(ended_before),
            sort=FlowRunSort.END_TIME_DESC,
            limit=RUNS_PER_DELETION,
        )
        if not runs:
            break
        run_ids = [run.id for run in runs]
        # Prefect does not delete the artifacts of a run. Delete them first, so that no artifact remains
        # without its run if the sweep is interrupted.
        delete_artifacts(client, all_filter(*run_ids))
        _delete_flow_runs(client, run_ids, ended_before)
        deleted += len(runs)
    return deleted


def _ended_before(time: datetime) -> FlowRunFilter:
    return FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=time),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
    )


def _delete_flow_runs(client: SyncPrefectClient, run_ids: list[UUID], ended_before: datetime) -> None:
    """Delete the runs, except those that have been started again in the meantime."""
    run_filter = _ended_before(ended_before)
    run_filter.id = FlowRunFilterId(any_=run_ids)
    body = {"flow_runs": run_filter.model_dump(mode="json", exclude_none=True), "limit": RUNS_PER_DELETION}
    path: Any = "/flow_runs/bulk_delete"  # Prefect's type for API paths does not include this path.
    client.request("POST", path, json=body)
