"""Select the next runs so that callers take turns, regardless of the order of their requests.

Prefect's work queues cannot do this. If each caller had a queue with a `concurrency_limit`, each caller would
be limited, but the queues would have fixed priorities instead of taking turns. In addition, every poll reads
and writes all queues, and queues are never deleted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import TypeVar

from flows.runs.tags import OWNER, REPORT

T = TypeVar("T")


def find_owner(tags: Iterable[str]) -> str | None:
    """Return the owner of an export run, or None for other runs. Only export runs are limited per owner."""
    by_prefix = {prefix: tag for tag in tags for prefix in (OWNER, REPORT) if tag.startswith(prefix)}
    return by_prefix[OWNER].removeprefix(OWNER) if len(by_prefix) == 2 else None


def select_fairly(
    due: Sequence[T],
    get_owner: Callable[[T], str | None],
    get_queue: Callable[[T], object],
    running: Iterable[str | None],
    limit: int,
    slots: int,
) -> list[T]:
    """Return at most `slots` due runs, always choosing the next from the owner with the fewest runs in
    progress.

    `due` must be ordered by queue priority and then by time, as in Prefect's response. Queues with a higher
    priority go first. `running` contains the owner of each run in progress. `limit` is the maximum number of
    runs that each owner may have in progress.
    """
    running_counts, selected = Counter(running), list[T]()
    for _, queue_runs in groupby(due, get_queue):
        selected += _select_from_queue(
            list(queue_runs), get_owner, running_counts, limit, slots - len(selected)
        )
    return selected


def _select_from_queue(
    due: list[T],
    get_owner: Callable[[T], str | None],
    running_counts: Counter[str | None],
    limit: int,
    slots: int,
) -> list[T]:
    waiting: dict[str | None, list[int]] = {}
    for index, run in enumerate(due):
        waiting.setdefault(get_owner(run), []).append(index)
    turns = [(running_counts[owner], indexes[0], owner) for owner, indexes in waiting.items()]
    heapify(turns)
    selected: list[T] = []
    while turns and len(selected) < slots:
        count, index, owner = heappop(turns)
        if owner is not None and count >= limit:
            continue
        selected.append(due[index])
        running_counts[owner] += 1
        del waiting[owner][0]
        if waiting[owner]:
            heappush(turns, (running_counts[owner], waiting[owner][0], owner))
    return selected
