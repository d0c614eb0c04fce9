"""Whose run is next: callers take turns, whoever came first. Pure.

The worker chooses, and not Prefect's work queues: one per caller, each with its `concurrency_limit`, would
hold back what one caller runs, but queues have an order of priority and no turns, each of them is read and
written at every poll, and nothing ever removes one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import TypeVar

from flows.runs.tags import OWNER, REPORT

T = TypeVar("T")


def owner_of(tags: Iterable[str]) -> str | None:
    """Of an export's run; None for all others, which nobody's limit is about."""
    named = {prefix: tag for tag in tags for prefix in (OWNER, REPORT) if tag.startswith(prefix)}
    return named[OWNER].removeprefix(OWNER) if len(named) == 2 else None


def in_turn(
    due: Sequence[T],
    owner: Callable[[T], str | None],
    queue: Callable[[T], object],
    running: Iterable[str | None],
    limit: int,
    slots: int,
) -> list[T]:
    """The next of those due, at most `slots`: always from whom the fewest are running.

    `due` stands in Prefect's order: by the priority of its queues, then by time. A queue with a higher
    priority still goes first; `running` names the owner of each run that goes on, `limit` is for each owner.
    """
    busy, chosen = Counter(running), list[T]()
    for _, of_one_queue in groupby(due, queue):
        chosen += _of_one_queue(list(of_one_queue), owner, busy, limit, slots - len(chosen))
    return chosen


def _of_one_queue(
    due: list[T], owner: Callable[[T], str | None], busy: Counter[str | None], limit: int, slots: int
) -> list[T]:
    waiting: dict[str | None, list[int]] = {}
    for place, each in enumerate(due):
        waiting.setdefault(owner(each), []).append(place)
    turns = [(busy[name], places[0], name) for name, places in waiting.items()]
    heapify(turns)
    chosen: list[T] = []
    while turns and len(chosen) < slots:
        count, place, name = heappop(turns)
        if name is not None and count >= limit:
            continue
        chosen.append(due[place])
        busy[name] += 1
        del waiting[name][0]
        if waiting[name]:
            heappush(turns, (busy[name], waiting[name][0], name))
    return chosen
