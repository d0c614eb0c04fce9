"""Several connections read one big export in one snapshot, a range of its rows each, and then the next.

What they read is given out in the order of the rows: the bytes are those of a single reader.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from threading import Thread
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Select, func, select

from flows.errors import SourceUnavailable
from flows.query.request import ExportRequest
from flows.sources.postgresql import copy_rows, key_ranges
from flows.sources.postgresql.copy_rows import Records
from flows.sources.postgresql.ordered_queue import Closed, Lanes
from flows.sources.snapshot import Snapshot, same_snapshot

FROM_ROWS = 500_000
# Some MiB of a survey's rows: little enough to wait in memory until its turn comes.
RANGE_ROWS = 16_384
MOST_BLOCKS_WAITING = 16
MOST_READERS = 4
NOTICE_SECONDS, END_SECONDS = 0.1, 2

logger = logging.getLogger(__name__)


def readers_for(cores: int) -> int:
    """The database, the upload and other exports need cores too."""
    return max(1, min(MOST_READERS, (cores - 1) // 2))


def fetch(
    taken: Snapshot,
    request: ExportRequest,
    rows: Select[Any],
    expected: int,
    readers: int,
    from_rows: int = FROM_ROWS,
    range_rows: int = RANGE_ROWS,
) -> Iterator[Records]:
    """By one reader, or by several where that helps; 0 leaves their number to the machine."""
    readers = readers or readers_for(_cores())
    ranges = _ranges(taken, request, rows, range_rows) if readers > 1 and expected >= from_rows else []
    if not ranges:
        return copy_rows.fetch(taken, rows, request.dialect)
    blocks = read_together(taken, ranges, request, readers)
    return copy_rows.split(blocks, request.dialect.split_rows)


def fetch_ahead(
    taken: Snapshot, request: ExportRequest, rows: Select[Any], expected: int, readers: int
) -> Iterator[Records]:
    """As `fetch`; a single reader has a thread of its own, too: the database works while Python does."""
    readers = readers or readers_for(_cores())
    ranges = _ranges(taken, request, rows, RANGE_ROWS) if readers > 1 and expected >= FROM_ROWS else []
    blocks = read_together(taken, ranges or [rows], request, readers if ranges else 1)
    return copy_rows.split(blocks, request.dialect.split_rows)


def _ranges(taken: Snapshot, request: ExportRequest, rows: Select[Any], range_rows: int) -> list[Select[Any]]:
    """None where several readers would not help."""
    ranges = key_ranges.cut(taken, request, rows, range_rows)
    return ranges if ranges and key_ranges.is_worth_while(taken, ranges) else []


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_together(
    taken: Snapshot, ranges: list[Select[Any]], request: ExportRequest, readers: int
) -> Iterator[Records]:
    lanes: Lanes[Records] = Lanes(len(ranges), ahead=readers + 1, room=MOST_BLOCKS_WAITING)
    until = monotonic() + taken.session.statement_seconds

    def read(mine: Snapshot) -> None:
        try:
            while (number := lanes.take()) is not None:
                mine.allow_until(until)
                with closing(copy_rows.copied(mine, ranges[number], request.dialect)) as blocks:
                    for block in blocks:
                        lanes.put(number, block)
                lanes.end(number)
        except Closed:
            pass
        except BaseException as failure:  # noqa: BLE001 - raised again where the rows are asked for
            lanes.fail(failure)

    with ExitStack() as stack:
        snapshots = [taken, *_others(taken, readers - 1, stack)]
        threads = [Thread(target=read, args=[each], name="reader", daemon=True) for each in snapshots]
        stack.callback(_end, lanes, threads, [each.driver for each in snapshots])
        for thread in threads:
            thread.start()
        yield from lanes


def _others(taken: Snapshot, number: int, stack: ExitStack) -> list[Snapshot]:
    """As many more connections as the database gives; with fewer it only takes longer."""
    if not number:
        return []
    name = taken.scalar(select(func.pg_export_snapshot()))
    opened: list[Snapshot] = []
    try:
        for _ in range(number):
            opened.append(stack.enter_context(same_snapshot(taken, name)))
    except SourceUnavailable:
        logger.warning("the database gave %d connections of %d", 1 + len(opened), 1 + number)
    return opened


def _end(lanes: Lanes[Records], threads: Sequence[Thread], drivers: Sequence[Any]) -> None:
    """Leaves no thread behind: it ends by itself, or with its query, or with its connection."""
    lanes.close()
    for thread, driver in zip(threads, drivers, strict=True):
        if thread.is_alive():
            thread.join(NOTICE_SECONDS)
        for way in (_cancel, _hang_up):
            if thread.is_alive():
                with suppress(psycopg.Error, OSError):
                    way(driver)
                thread.join(END_SECONDS)


def _cancel(driver: Any) -> None:
    driver.cancel_safe(timeout=END_SECONDS)


def _hang_up(driver: Any) -> None:
    with socket.socket(fileno=os.dup(driver.pgconn.socket)) as same:
        same.shutdown(socket.SHUT_RDWR)
