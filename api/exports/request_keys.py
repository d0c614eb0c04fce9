"""Assign numbers to exports that come from identical requests or share an Idempotency-Key.

The number becomes part of the run's idempotency key in Prefect. If two simultaneous requests find the same
free number, Prefect creates only one run for both. Looking up these keys is fast because Prefect indexes
them, whereas a search for earlier runs by tag would read the whole history.

Prefect releases a key only when its run is deleted. An Idempotency-Key therefore has a fixed number of slots,
which are all read in one query. Deleted runs leave gaps, but later runs are still found.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from api.exports.flow_run_job import caller_of
from api.web.problems import Refusal
from flows.errors import FieldError

# The first numbers to look up. If identical requests have started at most 15 exports, this query finds the
# next free number. Otherwise, it only narrows the search to a range between two powers of two.
FIRST_NUMBERS = [*range(1, 17), *(1 << power for power in range(5, 31))]
NUMBERS_PER_QUERY = 32
KEY_POINTER = "/headers/Idempotency-Key"
KEY_LIFE = timedelta(hours=24)
# Runs are kept for 90 days by default, so 100 slots are enough for a key that is used once a day.
KEY_SLOTS = 100

ReadRuns = Callable[[Sequence[int]], Awaitable[Mapping[int, FlowRun]]]
ReadRunsByKey = Callable[[Sequence[str]], Awaitable[Mapping[str, FlowRun]]]


class KeyReused(Refusal):
    """Raised when an Idempotency-Key has already been used and cannot be used for this request."""

    def __init__(self, reason: str = "was already used with a different request") -> None:
        detail = f"This Idempotency-Key {reason}. Send a new key."
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, detail, [FieldError(KEY_POINTER, "reused", detail)])


def caller_key(*parts: str) -> str:
    """Hash the parts into an idempotency key for Prefect. The first part identifies the caller."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def key_in_slot(read_runs: ReadRunsByKey, parts: Sequence[str], oldest: datetime) -> str:
    """Return the Prefect key of the run that an Idempotency-Key refers to.

    If there is no such run, an unused Prefect key is returned. `parts` identifies the Idempotency-Key. Runs
    created before `oldest` are not reused. Raises KeyReused if no slot is free.
    """
    keys = [caller_key(*parts, *([str(slot)] if slot > 1 else [])) for slot in range(1, KEY_SLOTS + 1)]
    runs = await read_runs(keys)
    usable = [key for key in keys if key in runs and answers_for_key(runs[key], oldest)]
    usable += [key for key in keys if key not in runs]
    if not usable:
        raise KeyReused(f"was already used for {KEY_SLOTS} exports")
    return usable[0]


def answers_for_key(run: FlowRun, oldest: datetime | None) -> bool:
    """Return whether a request with the run's idempotency key may reuse the run.

    Returns False if the owner has deleted the run or if it was created before `oldest`.
    """
    too_old = oldest is not None and run.created is not None and run.created < oldest
    return not too_old and caller_of(run) is not None


def is_unfinished(run: FlowRun) -> bool:
    """Return whether the run may still produce its file.

    Returns False if the owner has deleted the run.
    """
    return run.state_type not in TERMINAL_STATES and caller_of(run) is not None


async def next_number(read_runs: ReadRuns) -> int:
    """Return the number of a request's unfinished export, or a free number if there is none.

    `read_runs` returns the existing runs, keyed by number. Deleted runs leave gaps in the numbers. An export
    after a gap is found reliably only if its number is at most 16.
    """
    last, numbers = 0, FIRST_NUMBERS
    while numbers:
        runs = await read_runs(numbers)
        if answering := [number for number, run in runs.items() if is_unfinished(run)]:
            return max(answering)
        free = next(number for number in numbers if number not in runs)
        last = max((number for number in numbers if number < free), default=last)
        numbers = _between(last, free)
    return last + 1


def _between(last: int, free: int) -> list[int]:
    """Return evenly spaced numbers to look up next, with `free` as the last one.

    Returns an empty list once `last` and `free` are adjacent.
    """
    step = -(-(free - last) // NUMBERS_PER_QUERY)
    numbers = list(range(last + step, free, step))
    return [*numbers, free] if numbers else []
