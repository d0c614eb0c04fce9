"""Find and delete the runs that deliver webhooks about an export.

The parameters of each run contain the message, which includes the export's name. The name of each run
contains the export's id, because Prefect has an index on names but not on tags.
"""

from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from flows.runs import flow_names

DELIVERIES = FlowFilter(name=FlowFilterName(any_=[flow_names.DELIVER]))
_IN_PROGRESS = (StateType.PENDING, StateType.RUNNING)


def delivery_name(event_type: str, job_id: str) -> str:
    return f"{event_type} {job_id}"


def deliveries_of(job_id: UUID) -> FlowRunFilter:
    return FlowRunFilter(name=FlowRunFilterName(like_=str(job_id)))


def is_in_progress(delivery: FlowRun) -> bool:
    """Return whether a worker is sending the message. If so, the run must not be deleted."""
    return delivery.state_type in _IN_PROGRESS


def delete_deliveries(client: SyncPrefectClient, job_id: UUID) -> bool:
    """Delete the deliveries for an export, including those that are waiting for a retry.

    Deliveries that are in progress are kept. Returns True if no delivery is in progress.
    """
    deliveries = client.read_flow_runs(flow_filter=DELIVERIES, flow_run_filter=deliveries_of(job_id))
    for delivery in deliveries:
        if not is_in_progress(delivery):
            with suppress(ObjectNotFound):  # deleted by another request
                client.delete_flow_run(delivery.id)
    return not any(map(is_in_progress, deliveries))
