"""Retry a run later, in a new process with the same run id.

Prefect's own retries would keep the process waiting. If a flow returned a scheduled state instead, its
process would end with exit code 1, which Prefect reports as a crash.
"""

from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, Pause
from prefect.states import AwaitingRetry


def retry_later(run_id: UUID, message: str, delay: timedelta, now: datetime) -> NoReturn:
    """End this attempt and schedule the next one after `delay`.

    Raises Pause, or Abort if the run has been cancelled.
    """
    state: State[Any] = AwaitingRetry(scheduled_time=now + delay, message=message)
    with get_client(sync_client=True) as client:
        response = client.set_flow_run_state(run_id, state)
    if response.status != SetStateStatus.ACCEPT:  # The run has been cancelled.
        raise Abort
    raise Pause(state=response.state)
