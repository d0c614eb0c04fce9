"""Check a run that the worker has just claimed.

Prefect has no state transition that depends on the current state, and requests to Prefect can be delayed. A
claim may therefore reach a run that has failed, and a worker may reschedule a run that was cancelled in the
meantime. Prefect itself rejects both only for runs that have stored a file.
"""

import time
from collections.abc import Sequence
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry

from deployments.warm_worker.rescue import WORKER_CRASHED, WORKER_STOPPED
from flows.errors import errors_by_code
from flows.runs.prefect_calls import sent_once

MAX_READ_AGE_SECONDS = 1.0


async def check_claim(client: PrefectClient, run: FlowRun, read_at: float) -> FlowRun | None:
    """Return the claimed run with the current number of its attempt, or None if it must not start.

    `run` was read at the time `read_at`, on the clock `time.monotonic`, before the worker claimed it. A run
    that had already ended gets its final state back.
    """
    is_old = time.monotonic() - read_at > MAX_READ_AGE_SECONDS
    if is_old or (run.state is not None and _is_rescheduled(run.state)):
        final = _final_state(await client.read_flow_run_states(run.id))
        if final is not None:
            with sent_once():
                await client.set_flow_run_state(run.id, final)
            return None
    return await client.read_flow_run(run.id) if is_old else run


def _final_state(history: Sequence[State[Any]]) -> State[Any] | None:
    """Return the state in which the run had ended before it was rescheduled or claimed, if any.

    An operator may retry such a run in the Prefect UI. It has then not ended.
    """
    earlier = [state for state in history if not (state.is_pending() or _is_rescheduled(state))]
    has_ended = earlier and earlier[-1].is_final() and not earlier[-1].is_crashed()
    return earlier[-1] if has_ended else None


def _is_rescheduled(state: State[Any]) -> bool:
    """Return whether the service itself has scheduled another attempt."""
    message = state.message or ""
    is_own = message in (WORKER_CRASHED, WORKER_STOPPED) or message.partition(":")[0] in errors_by_code()
    return state.name == AwaitingRetry().name and is_own
