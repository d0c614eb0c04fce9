"""Retry a run later, in a new process and under the same id.

Prefect's own retries would keep the process waiting. A flow that returns a scheduled state ends its process
with exit code 1, which Prefect reports as a crash.
"""

from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Abort, Pause
from prefect.states import AwaitingRetry


def retry_later(run_id: UUID, message: str, pause: timedelta, now: datetime) -> NoReturn:
    """Schedule the run's next attempt after `pause` and end this one. Raises Pause, or Abort if cancelled."""
    state: State[Any] = AwaitingRetry(scheduled_time=now + pause, message=message)
    with get_client(sync_client=True) as client:
        response = client.set_flow_run_state(run_id, state)
    if response.status != SetStateStatus.ACCEPT:  # the run was cancelled
        raise Abort
    raise Pause(state=response.state)
