"""Retry a run later, in a new process with the same run id.

Prefect's own retries would keep the process waiting. If a flow returned a scheduled state instead, its
process would end with exit code 1, and Prefect would report a crash.
"""

from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, Pause
from prefect.states import AwaitingRetry

from flows.runs.prefect_calls import call_patiently, sent_once


def retry_later(run_id: UUID, attempt: int, message: str, delay: timedelta, now: datetime) -> NoReturn:
    """End this attempt and schedule the next one after `delay`.

    Raises Pause to end the flow, or Abort if the run has been cancelled or another attempt has taken over.
    """
    state: State[Any] = AwaitingRetry(scheduled_time=now + delay, message=message)
    with get_client(sync_client=True) as client:
        accepted = call_patiently(lambda: _set_state(client, run_id, attempt, state))
    raise Pause(state=accepted)


def _set_state(client: SyncPrefectClient, run_id: UUID, attempt: int, state: State[Any]) -> State[Any] | None:
    run = client.read_flow_run(run_id)
    # An earlier call may have succeeded even though its response was lost, or a worker may have rescheduled
    # the run.
    if run.run_count != attempt or run.state is None or not run.state.is_running():
        raise Abort
    with sent_once():
        response = client.set_flow_run_state(run_id, state)
    if response.status != SetStateStatus.ACCEPT:
        raise Abort
    return response.state
