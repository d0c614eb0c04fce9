import threading
from collections.abc import Callable
from typing import Any

import pytest

from flows.sources.postgresql.ordered_queue import Closed, Lanes

LANES, ITEMS, AHEAD, ROOM = 40, 5, 3, 2


def fill(lanes: Lanes[tuple[int, int]], before_put: Callable[[int], None] = lambda _: None) -> None:
    try:
        while (number := lanes.take()) is not None:
            for item in range(ITEMS if number % 4 else 0):
                before_put(number)
                lanes.put(number, (number, item))
            lanes.end(number)
    except Closed:
        pass


def started(*arguments: Any, threads: int = 4) -> list[threading.Thread]:
    made = [threading.Thread(target=fill, args=arguments) for _ in range(threads)]
    for thread in made:
        thread.start()
    return made


def ended(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_all_comes_in_the_order_of_the_lanes(threads: int) -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(LANES, AHEAD, ROOM)
    running = started(lanes, threads=threads)
    assert list(lanes) == [(lane, item) for lane in range(LANES) if lane % 4 for item in range(ITEMS)]
    assert ended(running)


def test_nobody_is_further_ahead_than_allowed() -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(LANES, AHEAD, ROOM)
    given = [0]
    furthest = [0]

    def look(number: int) -> None:
        furthest[0] = max(furthest[0], number - given[0])

    running = started(lanes, look)
    for lane, _ in lanes:
        given[0] = lane
    assert ended(running)
    assert 0 < furthest[0] <= AHEAD + 1  # lane 4n is empty: the one after it may have been asked for


def test_a_lane_takes_no_more_than_it_has_room_for() -> None:
    lanes: Lanes[int] = Lanes(1, AHEAD, ROOM)
    assert lanes.take() == 0
    for item in range(ROOM):
        lanes.put(0, item)
    more = threading.Thread(target=lambda: (lanes.put(0, ROOM), lanes.end(0)))
    more.start()
    more.join(0.05)
    assert more.is_alive()
    assert list(lanes) == [0, 1, 2]
    assert ended([more])


def test_a_failure_in_one_thread_is_raised_and_ends_the_others() -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(LANES, AHEAD, ROOM)
    running = started(lanes)
    coming = iter(lanes)
    next(coming)
    lanes.fail(ZeroDivisionError())
    lanes.fail(ValueError())
    with pytest.raises(ZeroDivisionError):
        list(coming)
    assert ended(running)


def test_those_who_wait_are_told_that_nobody_wants_more() -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(LANES, AHEAD, ROOM)
    running = started(lanes)
    lanes.close()
    assert ended(running)
    assert lanes.take() is None
