"""Send webhooks when scheduled runs end, and pause schedules that keep failing.

Every scheduled run inherits a tag from its deployment. The tag is removed when the follow-up is complete, so
no run is missed. Normally, the run's own process does the follow-up in a flow hook. Warm workers (every few
seconds) and the sweep (every hour) follow up on the remaining runs, such as runs that were cancelled before
they started or whose process was killed. It is harmless to follow up on a run twice. Webhooks are not sent
again, because the idempotency key of a delivery consists of the export, the URL and the event. A paused
schedule stays paused.

A Prefect automation would need less code but would be less reliable. Automations act on events, and the
server loses events when it restarts. An automation would also be slower, because the server would match it
against every event of every run. It would do so in the process that limits the throughput of the whole
service. This module makes no API calls for exports without a schedule.
"""

import hashlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound

from flows.errors import InvalidRequest, NoRows
from flows.runs import flow_names, tags
from flows.runs.artifacts import read_progress
from flows.runs.deliveries import delete_deliveries, delivery_name
from flows.runs.history import read_ended_runs
from flows.runs.outcome import CANCELLED, NO_ROWS, Outcome, code_and_message, job_error
from flows.runs.receipt import Receipt
from flows.runs.tags import DELETED_TAG
from flows.schedules.auto_pause import pause_if_failing
from flows.schedules.parameters import ScheduleParameters, parse_schedule_parameters
from flows.settings import Settings
from flows.webhooks.message import Message, export_message, pause_message
from flows.webhooks.subscriptions import Event

DELIVERY = f"{flow_names.DELIVER}/webhook"

logger = logging.getLogger(__name__)


def follow_up_hook(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Follow up on a run before its process ends. Prefect calls this hook."""
    if flow_run.parameters.get("recurring") is None:
        return
    with get_client(sync_client=True) as client:
        follow_up_run(client, client.read_flow_run(flow_run.id), Settings())


def follow_up_ended_runs(client: SyncPrefectClient, settings: Settings, ended_after: datetime) -> None:
    """Follow up on every run that ended after this time and still has the follow-up tag."""
    runs = read_ended_runs(client, flow_names.EXPORT, ended_after, datetime.now(UTC), tag=tags.FOLLOW_UP)
    for run in list(runs):
        try:
            follow_up_run(client, run, settings)
        except Exception:  # A run that an operator has edited must not block the others.
            logger.warning("could not follow up on flow run %s; retrying soon", run.id, exc_info=True)


def follow_up_run(client: SyncPrefectClient, run: FlowRun, settings: Settings) -> None:
    """Send the webhooks for a finished run, and pause its schedule if the schedule keeps failing.

    A run that a worker may still retry is skipped.
    """
    outcome = _outcome(client, run, settings.attempts)
    if outcome is None:
        return
    if DELETED_TAG not in run.tags:
        message = export_message(outcome, settings.public_url)
        name = delivery_name(message["type"], outcome.job_id)
        _notify(client, run, outcome.status, message, outcome.job_id, name)
        if outcome.status == "error":
            _pause_if_failing(client, run, outcome, settings)
    _end_follow_up(client, run, outcome)


def _end_follow_up(client: SyncPrefectClient, run: FlowRun, outcome: Outcome) -> None:
    """Remove the follow-up tag.

    If the run found no rows, also make sure that it has the tag with this code. The list of cancelled exports
    needs the tag, and the run itself may not have been able to set it. If the run was deleted in the
    meantime, also delete its webhook deliveries.
    """
    try:
        current = client.read_flow_run(run.id).tags
    except ObjectNotFound:
        delete_deliveries(client, run.id)
        return
    if DELETED_TAG in current:
        delete_deliveries(client, run.id)
    if tags.FOLLOW_UP in current:
        code = [tags.CODE + NoRows.code] if outcome.error == NO_ROWS else []
        others = [tag for tag in current if tag not in (tags.FOLLOW_UP, *code)]
        client.update_flow_run(run.id, tags=[*others, *code])


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
    if code_and_message(state.name or "", state.message or "")[0] == NoRows.code:
        return replace(outcome, status="cancelled", error=NO_ROWS)
    receipt = _receipt(client, run.id) if state.is_completed() else None
    if receipt is not None:
        return replace(outcome, receipt=receipt)
    error = job_error(job_id, state.type.value, state.name or "", state.message or "")
    return replace(outcome, status="error", error=error)


def _receipt(client: SyncPrefectClient, run_id: UUID) -> Receipt | None:
    progress = read_progress(client, [run_id]).get(str(run_id))
    return progress.receipt if progress is not None else None


def _schedule_parameters(run: FlowRun) -> ScheduleParameters:
    try:
        return parse_schedule_parameters(run.parameters.get("recurring") or {})
    except InvalidRequest:  # An operator has edited the parameter. The run itself reports the error.
        return ScheduleParameters(None)


def _schedule_id(run: FlowRun) -> str:
    """Return the id that the API uses for the run's schedule.

    The id comes from the run's tags. If an operator created the schedule directly in Prefect, the tags do not
    contain it, and the deployment's id is used instead.
    """
    return tags.tag_value(run.tags, tags.SCHEDULE) or str(run.deployment_id)


def _notify(
    client: SyncPrefectClient,
    run: FlowRun,
    event: Event,
    message: Message,
    deduplicate_by: str,
    name: str,
) -> None:
    """Start a delivery run called `name` for every subscription to the event.

    Repeated calls with the same `deduplicate_by` do not start the deliveries again.
    """
    subscriptions = [
        subscription for subscription in _schedule_parameters(run).notify if event in subscription.on
    ]
    if not subscriptions:
        return
    deployment_id = client.read_deployment_by_name(DELIVERY).id
    owner = tags.owner_from_tags(run.tags)
    for subscription in subscriptions:
        key = "\0".join((deduplicate_by, subscription.sealed, message["type"]))
        client.create_flow_run_from_deployment(
            deployment_id,
            name=name,
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
        deployment = client.read_deployment(run.deployment_id)
    except ObjectNotFound:
        return
    paused = pause_if_failing(client, deployment, outcome, settings.attempts, datetime.now(UTC))
    if paused is not None:
        title = deployment.description or deployment.name
        message = pause_message(outcome, title, paused.failures, settings.public_url)
        _notify(client, run, "paused", message, f"{deployment.id} {paused.since}", message["type"])
