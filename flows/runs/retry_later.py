"""A run that another try may help goes back to the workers, under its id, and holds no process meanwhile.

Prefect's own retries would wait in the process; and a scheduled state that a flow returns ends the process
with code 1, which Prefect then reports as crashed.
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
    state: State[Any] = AwaitingRetry(scheduled_time=now + pause, message=message)
    with get_client(sync_client=True) as client:
        answer = client.set_flow_run_state(run_id, state)
    if answer.status != SetStateStatus.ACCEPT:  # somebody has cancelled it meanwhile
        raise Abort
    raise Pause(state=answer.state)
