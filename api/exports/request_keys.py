"""Number the exports that come from identical requests or share an Idempotency-Key.

The number becomes part of a run's idempotency key in Prefect. Two simultaneous requests find the same free
number, so Prefect creates one run for both. Looking up the keys is fast, because Prefect indexes them. A
search for earlier runs by tag would read the whole history.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from api.exports.flow_run_job import caller_of

# One query for these numbers finds the next number if there are at most 15 exports. If there are more, it
# finds the order of magnitude.
FIRST_NUMBERS = [*range(1, 17), *(1 << power for power in range(5, 31))]
NUMBERS_PER_QUERY = 32

ReadRuns = Callable[[Sequence[int]], Awaitable[Mapping[int, FlowRun]]]


def is_unfinished(run: FlowRun) -> bool:
    """Return whether the run may still produce its file.

    Returns False if the owner has deleted the run.
    """
    return run.state_type not in TERMINAL_STATES and caller_of(run) is not None


async def next_number(read_runs: ReadRuns, answers: Callable[[FlowRun], bool] = is_unfinished) -> int:
    """Return the number of the existing export to reuse, or the first free number.

    `read_runs` returns the existing runs, keyed by number. Deleted records leave gaps in the numbers. Beyond
    a gap, exports are found reliably only among the first 16 numbers.
    """
    taken, numbers = 0, FIRST_NUMBERS
    while numbers:
        runs = await read_runs(numbers)
        if answering := [number for number, run in runs.items() if answers(run)]:
            return max(answering)
        free = next(number for number in numbers if number not in runs)
        taken = max((number for number in numbers if number < free), default=taken)
        numbers = _between(taken, free)
    return taken + 1


def _between(taken: int, free: int) -> list[int]:
    """Return evenly spaced numbers to look up next, with `free` as the last one.

    Returns an empty list once `taken` and `free` are adjacent.
    """
    step = -(-(free - taken) // NUMBERS_PER_QUERY)
    numbers = list(range(taken + step, free, step))
    return [*numbers, free] if numbers else []
