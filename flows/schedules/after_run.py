"""What follows when a run of a recurring export has ended: subscriptions, and a pause of one that only fails.

Nothing may be lost, so what is to be done stands on the run itself: a tag, from its deployment, that is taken
away when all has been done. The run's own process does it at once, in a hook. Warm workers look every few
seconds, and the sweep every hour, for runs that have ended otherwise: cancelled before they began, failed by
the rescue, their process killed in between. Doing it twice does no harm: a delivery's idempotency key is made
of the export, the address and the event, and pausing twice is pausing once.

An automation of Prefect's would be less code. But it acts on events, which a restart of the server loses, it
never looks up what it has missed, and the server would weigh every event of every run against it, in the one
process that is the ceiling of everything here. Exports that do not recur cost no call.
"""

import hashlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State
from prefect.exceptions import ObjectNotFound

from flows.errors import InvalidRequest, NoRows
from flows.runs import flow_names, tags
from flows.runs.artifacts import read_progress
from flows.runs.outcome import CANCELLED, NO_ROWS, Outcome, failure
from flows.runs.receipt import Receipt
from flows.runs.tags import DELETED_TAG
from flows.schedules.auto_pause import pause_if_failing
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters
from flows.settings import Settings
from flows.webhooks.message import Message, export_message, pause_message
from flows.webhooks.subscriptions import Event

DELIVERY = f"{flow_names.DELIVER}/webhook"
EXPORTS = FlowFilter(name=FlowFilterName(any_=[flow_names.EXPORT]))

logger = logging.getLogger(__name__)


def follow_up_hook(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """The hook of the run's own process."""
    if flow_run.parameters.get("recurring") is None:
        return
    with get_client(sync_client=True) as client:
        follow_up_run(client, client.read_flow_run(flow_run.id), Settings())


def follow_up_ended_runs(client: SyncPrefectClient, settings: Settings) -> None:
    """Every run that has ended and that nobody has looked after yet."""
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[tags.FOLLOW_UP]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
    )
    for run in client.read_flow_runs(flow_filter=EXPORTS, flow_run_filter=wanted):
        try:
            follow_up_run(client, run, settings)
        except Exception:  # one that an operator has written by hand must not hold the others up
            logger.warning("flow run %s could not be followed up; trying again soon", run.id, exc_info=True)


def follow_up_run(client: SyncPrefectClient, run: FlowRun, settings: Settings) -> None:
    """Nothing, while a worker may still put the run back."""
    outcome = _outcome(client, run, settings.attempts)
    if outcome is None:
        return
    if DELETED_TAG not in run.tags:
        message = export_message(outcome, settings.public_url)
        _notify(client, run, outcome.status, message, outcome.job_id)
        if outcome.status == "error":
            _pause_if_failing(client, run, outcome, settings)
    if tags.FOLLOW_UP in run.tags:
        current = client.read_flow_run(run.id).tags  # they may have changed meanwhile
        client.update_flow_run(run.id, tags=[tag for tag in current if tag != tags.FOLLOW_UP])


def _outcome(client: SyncPrefectClient, run: FlowRun, attempts: int) -> Outcome | None:
    state = run.state
    if state is None or not state.is_final() or (state.is_crashed() and run.run_count < attempts):
        return None
    job_id, request = str(run.id), run.parameters.get("request")
    outcome = Outcome(
        job_id=job_id,
        schedule_id=_schedule_id(run),
        request=request if isinstance(request, dict) else {},
        ended_at=cast("datetime | None", run.end_time) or state.timestamp,
        status="done",
        receipt=None,
        error=None,
    )
    if state.is_cancelled():
        return replace(outcome, status="cancelled", error=CANCELLED)
    if state.name == NoRows.state_name:
        return replace(outcome, status="cancelled", error=NO_ROWS)
    receipt = _receipt(client, run.id) if state.is_completed() else None
    if receipt is not None:
        return replace(outcome, receipt=receipt)
    failed = failure(job_id, state.type.value, state.name or "", state.message or "")
    return replace(outcome, status="error", error=failed)


def _receipt(client: SyncPrefectClient, run_id: UUID) -> Receipt | None:
    progress = read_progress(client, [run_id]).get(str(run_id))
    return progress.receipt if progress is not None else None


def _recurring(run: FlowRun) -> ScheduleParameters:
    try:
        return parse_schedule_parameters(run.parameters.get("recurring") or {})
    except InvalidRequest:  # written by hand; the run has failed with what is wrong
        return ScheduleParameters(None)


def _schedule_id(run: FlowRun) -> str:
    """As the API has it: its own, or the deployment's where an operator keeps it."""
    return tags.tag_value(run.tags, tags.SCHEDULE) or str(run.deployment_id)


def _notify(
    client: SyncPrefectClient,
    run: FlowRun,
    event: Event,
    message: Message,
    once_for: str,
) -> None:
    """A delivery for each address that wants to hear of it: at most one for what `once_for` names."""
    wanted = [subscription for subscription in _recurring(run).notify if event in subscription.on]
    if not wanted:
        return
    deployment_id = client.read_deployment_by_name(DELIVERY).id
    owner = tags.owner_from_tags(run.tags)
    for subscription in wanted:
        key = "\0".join((once_for, subscription.sealed, message["type"]))
        client.create_flow_run_from_deployment(
            deployment_id,
            name=message["type"],
            parameters={
                "message": dict(message),
                "address": {"host": subscription.host, "sealed": subscription.sealed},
                "caller": owner,
            },
            tags=[tags.WEBHOOK, tags.OWNER + owner, tags.SCHEDULE + _schedule_id(run)],
            idempotency_key=hashlib.sha256(key.encode()).hexdigest(),
        )


def _pause_if_failing(client: SyncPrefectClient, run: FlowRun, outcome: Outcome, settings: Settings) -> None:
    if run.deployment_id is None or not run.auto_scheduled:
        return
    try:
        found = client.read_deployment(run.deployment_id)
    except ObjectNotFound:
        return
    paused = pause_if_failing(client, found, outcome, settings.attempts, datetime.now(UTC))
    if paused is not None:
        name = found.description or found.name
        message = pause_message(outcome, name, paused.failures, settings.public_url)
        _notify(client, run, "paused", message, f"{found.id} {paused.since}")
