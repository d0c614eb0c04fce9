"""What several threads make at once, given out in order and within bounded memory. Pure."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nobody wants any more."""


class Lanes(Generic[T]):
    """One lane after the other: a thread takes the next one, fills it and ends it.

    Nobody may be more than `ahead` lanes before the one that is given out, nor put more into a lane than
    `room` items, so that what is in memory is at most their product.
    """

    def __init__(self, count: int, ahead: int, room: int) -> None:
        self._count, self._ahead, self._room = count, ahead, room
        self._lanes: dict[int, deque[T]] = {}
        self._ended: set[int] = set()
        self._taken = self._given = 0
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = Condition()

    def take(self) -> int | None:
        """The next lane's number, once it is near enough; None when there is nothing left to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._taken < self._given + self._ahead)
            if self._is_over:
                return None
            self._lanes[self._taken] = deque()
            self._taken += 1
            return self._taken - 1

    @property
    def _is_over(self) -> bool:
        return self._closed or self._taken == self._count

    def put(self, number: int, item: T) -> None:
        with self._changed:
            lane = self._lanes[number]
            self._changed.wait_for(lambda: self._closed or len(lane) < self._room)
            if self._closed:
                raise Closed
            lane.append(item)
            self._changed.notify_all()

    def end(self, number: int) -> None:
        with self._changed:
            self._ended.add(number)
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Ends all: whoever iterates gets the failure."""
        with self._changed:
            self._failure = self._failure or failure
            self._close()

    def close(self) -> None:
        with self._changed:
            self._close()

    def _close(self) -> None:
        self._closed = True
        self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while self._given < self._count:
            yield from self._items(self._given)

    def _items(self, number: int) -> Iterator[T]:
        while (item := self._next(number)) is not None:
            yield item

    def _next(self, number: int) -> T | None:
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._lanes.get(number) or number in self._ended)
            if self._failure is not None:
                raise self._failure
            lane = self._lanes[number]
            item = lane.popleft() if lane else None
            if item is None:
                del self._lanes[number]
                self._ended.remove(number)
                self._given += 1
            self._changed.notify_all()
            return item
