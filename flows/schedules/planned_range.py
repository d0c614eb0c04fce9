"""Compute the dates that a scheduled run covers.

They depend on the run's scheduled time and on the last successful run.
"""

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
from flows.runs.prefect_calls import call_patiently
from flows.runs.retry_later import retry_later
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters, request_for_run


def resolve_request(
    job_id: UUID, request: Mapping[str, Any], recurring: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the request with the dates that the run covers. Also store the dates in the run's parameters.

    All code that reads the run can then see the dates, and a retry covers the same dates. If Prefect starts a
    run too early because DST skips its slot, the run is postponed.
    """
    schedule = parse_schedule_parameters(recurring)
    if "from" in request:
        return dict(request)
    with get_client(sync_client=True) as client:
        return call_patiently(lambda: _resolve(client, job_id, request, schedule, now))


def _resolve(
    client: SyncPrefectClient,
    job_id: UUID,
    request: Mapping[str, Any],
    schedule: ScheduleParameters,
    now: datetime,
) -> dict[str, Any]:
    run = client.read_flow_run(job_id)
    scheduled_at = _scheduled_at(run)
    starts_at = schedule.starts_at(scheduled_at)
    if now < starts_at and scheduled_at < starts_at:
        reason = "The clocks go forward past the time of this run, so it starts later."
        retry_later(job_id, run.run_count, reason, starts_at - now, now)
    last = _last_success(client, run, scheduled_at) if schedule.needs_last_success else None
    resolved = request_for_run(request, schedule, scheduled_at, last)
    client.update_flow_run(job_id, parameters={**run.parameters, "request": resolved})
    return resolved


def _scheduled_at(run: FlowRun) -> datetime:
    """Return the scheduled time. A late start or a retry does not change it."""
    return cast("datetime | None", run.expected_start_time) or datetime.now(UTC)


def _last_success(client: SyncPrefectClient, run: FlowRun, scheduled_at: datetime) -> datetime | None:
    """Return the end of the period that the last successful run covered, or None if there is no such run."""
    if run.deployment_id is None:
        return None
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id])),
        flow_run_filter=FlowRunFilter(
            expected_start_time=FlowRunFilterExpectedStartTime(before_=scheduled_at),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return _covered_until(client, runs[0]) if runs else None


def _covered_until(client: SyncPrefectClient, run: FlowRun) -> datetime:
    """Return the end of the period that the run covered.

    This is never later than the time of the snapshot, because the file does not contain later rows.
    """
    ends = [_scheduled_at(run), _end_of_dates(run), _snapshot(client, run)]
    return min(end for end in ends if end is not None)


def _end_of_dates(run: FlowRun) -> datetime | None:
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
