"""Pauses a recurring export whose planned runs only fail, in Prefect."""

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

from flows.errors import InvalidRequest
from flows.runs.outcome import Outcome
from flows.schedules.failure_streak import FAILURES_UNTIL_PAUSE, AutoPause, RunResult, count_failures
from flows.schedules.parameters import parse_schedule_parameters

COUNTED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]
LOOKED_BACK = 50

logger = logging.getLogger(__name__)


def pause_if_failing(
    client: SyncPrefectClient, found: DeploymentResponse, outcome: Outcome, attempts: int, now: datetime
) -> AutoPause | None:
    """The pause that this failed run has brought about, now or when it was looked at before."""
    active = [schedule for schedule in found.schedules if schedule.active]
    if not active:
        paused = _kept_pause(found)
        return paused if paused is not None and paused.export_id == outcome.job_id else None
    since = _counted_from(active)
    failures = count_failures(_ends(_runs(client, found, since), attempts))
    if failures < FAILURES_UNTIL_PAUSE:
        return None
    found = client.read_deployment(found.id)  # somebody may have changed or resumed it meanwhile
    active = [schedule for schedule in found.schedules if schedule.active]
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
    _pause(client, found, active, paused)
    return paused


def _pause(
    client: SyncPrefectClient, found: DeploymentResponse, active: list[DeploymentSchedule], paused: AutoPause
) -> None:
    """The reason first: who finds it paused finds why. Its planned runs go with it."""
    recurring = {**(found.parameters.get("recurring") or {}), "paused": paused.as_parameter()}
    parameters = {**found.parameters, "recurring": recurring}
    client.update_deployment(found.id, DeploymentUpdate(parameters=parameters))
    for schedule in active:
        client.update_deployment_schedule(found.id, schedule.id, active=False)
    logger.info("deployment %s was paused: its last %d planned runs failed", found.id, paused.failures)


def _kept_pause(found: DeploymentResponse) -> AutoPause | None:
    try:
        return parse_schedule_parameters(found.parameters.get("recurring") or {}).paused
    except InvalidRequest:  # written by hand, and wrongly
        return None


def _runs(client: SyncPrefectClient, found: DeploymentResponse, since: datetime) -> list[FlowRun]:
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=COUNTED)),
            end_time=FlowRunFilterEndTime(after_=since),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=LOOKED_BACK,
    )


def _counted_from(active: list[DeploymentSchedule]) -> datetime:
    """Prefect notes when a schedule was written: whoever changes or resumes it lets the count begin anew."""
    written = [moment for each in active for moment in (each.created, each.updated) if moment is not None]
    return max(cast("list[datetime]", written))


def _ends(runs: list[FlowRun], attempts: int) -> Iterator[RunResult]:
    for run in runs:
        if run.state_type == StateType.COMPLETED:
            yield "done"
        else:
            goes_on = run.state_type == StateType.CRASHED and run.run_count < attempts
            yield "failed" if run.auto_scheduled and not goes_on else "other"
