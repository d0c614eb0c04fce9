"""Pause a schedule in Prefect after several consecutive failures."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import cast

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort

from flows import audit
from flows.errors import InvalidRequest
from flows.runs.outcome import Outcome
from flows.runs.tags import SCHEDULE, owner_from_tags, tag_value
from flows.schedules.failure_streak import AutoPause, RunResult, count_failures, failures_until_pause
from flows.schedules.parameters import parse_schedule_parameters

COUNTED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]
MAX_RUNS_READ = 50

logger = logging.getLogger(__name__)


def pause_if_failing(
    client: SyncPrefectClient, deployment: DeploymentResponse, outcome: Outcome, attempts: int, now: datetime
) -> AutoPause | None:
    """Pause the schedule if too many consecutive runs, including this one, have failed.

    Return the pause that this run caused, or None. If the run is processed a second time, the same pause is
    returned again.
    """
    active = [schedule for schedule in deployment.schedules if schedule.active]
    if not active:
        paused = _stored_pause(deployment)
        return paused if paused is not None and paused.export_id == outcome.job_id else None
    since = _counted_from(active)
    failures = count_failures(_results(_runs(client, deployment, since), attempts))
    if failures < failures_until_pause(outcome.error):
        return None
    # The schedule may have been changed or resumed in the meantime.
    deployment = client.read_deployment(deployment.id)
    active = [schedule for schedule in deployment.schedules if schedule.active]
    if not active or _counted_from(active) != since:
        return None
    assert outcome.error is not None  # noqa: S101 - it has failed
    paused = AutoPause(
        at=now.isoformat(),
        since=since.isoformat(),
        failures=failures,
        export_id=outcome.job_id,
        code=outcome.error.code,
        message=outcome.error.message,
    )
    _pause(client, deployment, active, paused)
    return paused


def _pause(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    active: list[DeploymentSchedule],
    paused: AutoPause,
) -> None:
    """Store the reason and then pause the schedule, so that every paused schedule has a reason.

    Pausing also deletes the scheduled runs.
    """
    recurring = {**(deployment.parameters.get("recurring") or {}), "paused": paused.as_parameter()}
    parameters = {**deployment.parameters, "recurring": recurring}
    client.update_deployment(deployment.id, DeploymentUpdate(parameters=parameters))
    for schedule in active:
        client.update_deployment_schedule(deployment.id, schedule.id, active=False)
    audit.record(
        "schedule.pause",
        "done",
        caller=owner_from_tags(deployment.tags),
        schedule=tag_value(deployment.tags, SCHEDULE) or str(deployment.id),
        job=paused.export_id,
        code=paused.code,
    )
    logger.info("paused deployment %s: its last %d scheduled runs failed", deployment.id, paused.failures)


def _stored_pause(deployment: DeploymentResponse) -> AutoPause | None:
    try:
        return parse_schedule_parameters(deployment.parameters.get("recurring") or {}).paused
    except InvalidRequest:  # An operator has edited the parameter.
        return None


def _runs(client: SyncPrefectClient, deployment: DeploymentResponse, since: datetime) -> list[FlowRun]:
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=COUNTED)),
            end_time=FlowRunFilterEndTime(after_=since),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=MAX_RUNS_READ,
    )


def _counted_from(active: list[DeploymentSchedule]) -> datetime:
    """Return the time from which failures are counted.

    Changing or resuming the schedule resets the count.
    """
    timestamps = [at for schedule in active for at in (schedule.created, schedule.updated) if at is not None]
    return max(cast("list[datetime]", timestamps))


def _results(runs: list[FlowRun], attempts: int) -> Iterator[RunResult]:
    for run in runs:
        if run.state_type == StateType.COMPLETED:
            yield "done"
        else:
            will_retry = run.state_type == StateType.CRASHED and run.run_count < attempts
            yield "failed" if run.auto_scheduled and not will_retry else "other"
