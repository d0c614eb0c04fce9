"""A run of a recurring export, told which days it covers. The one file that asks Prefect for earlier runs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from flows.query import date_range
from flows.runs.artifacts import read_progress
from flows.schedules.parameters import parse_schedule_parameters, request_for_run


def resolve_request(job_id: UUID, request: Mapping[str, Any], recurring: Mapping[str, Any]) -> dict[str, Any]:
    """The request with its days. They are written into the run, so that everybody who reads it sees them,
    and another attempt covers the same; the other parameters stay."""
    asked = parse_schedule_parameters(recurring)
    if "from" in request:
        return dict(request)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(job_id)
        planned = _planned(run)
        last = _last_success(client, run, planned) if asked.needs_last_success else None
        resolved = request_for_run(request, asked, planned, last)
        client.update_flow_run(job_id, parameters={**run.parameters, "request": resolved})
    return resolved


def _planned(run: FlowRun) -> datetime:
    """The slot, however late the run is, and however often it was tried."""
    return cast("datetime | None", run.expected_start_time) or datetime.now(UTC)


def _last_success(client: SyncPrefectClient, run: FlowRun, planned: datetime) -> datetime | None:
    """Where the last successful run before this one ended; None when there was none."""
    if run.deployment_id is None:
        return None
    found = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id])),
        flow_run_filter=FlowRunFilter(
            expected_start_time=FlowRunFilterExpectedStartTime(before_=planned),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return _ended_at(client, found[0]) if found else None


def _ended_at(client: SyncPrefectClient, run: FlowRun) -> datetime:
    """The end of its days, or its snapshot when that was earlier: what came between is in neither file."""
    ends = [_planned(run), _end_of_days(run), _snapshot(client, run)]
    return min(end for end in ends if end is not None)


def _end_of_days(run: FlowRun) -> datetime | None:
    request = run.parameters.get("request") or {}
    try:
        start, end = (
            date_range.parse_date_or_timestamp(request["from"]),
            date_range.parse_date_or_timestamp(request["to"]),
        )
        zone = date_range.parse_time_zone(request.get("timeZone") or "UTC")
        return date_range.resolve(start, end, zone).end
    except (KeyError, ValueError):
        return None


def _snapshot(client: SyncPrefectClient, run: FlowRun) -> datetime | None:
    progress = read_progress(client, [run.id]).get(str(run.id))
    if progress is None or progress.snapshot_at is None:
        return None
    return datetime.fromisoformat(progress.snapshot_at)
