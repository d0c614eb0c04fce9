"""A PostgreSQL connection that subscriptions when an answer will never come.

Keepalives find a peer that is gone; a proxy, a firewall or a frozen host may acknowledge for ever and send
nothing. After a silence the server is asked, on a connection beside this one, whether it still works for us.
"""

import logging
import math
import select
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

BESIDE_SECONDS = 5
# A server that refuses a connection lives; these words begin what it says then, in most of its languages.
_REFUSED = "FATAL"
_STANDING = """
    SELECT pg_postmaster_start_time(), pid, wait_event_type
    FROM (SELECT) AS once LEFT JOIN pg_stat_activity ON pid = %s
"""

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """Who answers us; behind a pooler or a balancer not the one that we have connected to."""

    pid: int
    server_started_at: datetime


class WatchedConnection(psycopg.Connection[Any]):
    """Waits as long as the server works; OperationalError when nothing is to be expected any more."""

    beside: Callable[[], "WatchedConnection"]
    _silence_seconds: float = math.inf
    _is_lost: Callable[[float], bool]

    def watch(self, backend: Backend, silence_seconds: float, longest_seconds: float) -> None:
        """After `longest_seconds` the server itself would have ended the statement."""

        def is_lost(silent: float) -> bool:
            return silent > longest_seconds + 2 * silence_seconds or self._works_no_more(backend)

        self._silence_seconds, self._is_lost = silence_seconds, is_lost

    def wait(self, gen: PQGen[T], *how: Any, **more: Any) -> T:
        return super().wait(self._watched(gen), *how, **more)

    def _watched(self, gen: PQGen[T]) -> PQGen[T]:
        """psycopg resumes a generator when the socket is ready, and with nothing every 0.1 s."""
        try:
            state = next(gen)
            heard_at = asked_at = monotonic()
            while True:
                ready = yield state
                if ready:
                    heard_at = asked_at = monotonic()
                elif monotonic() - asked_at > self._silence_seconds:
                    self._ask(monotonic() - heard_at)
                    asked_at = monotonic()
                state = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def _ask(self, silent: float) -> None:
        if self._is_lost(silent) and not _has_something_to_read(self.pgconn.socket):
            self.pgconn.finish()
            raise psycopg.OperationalError(f"nothing has come from the server for {silent:.0f} s")

    def _works_no_more(self, backend: Backend) -> bool:
        try:
            with self.beside() as other:
                started_at, pid, waits_for = other.execute(_STANDING, [backend.pid]).fetchall()[0]
        except psycopg.OperationalError as error:
            logger.warning("the server is silent, and beside it: %s", str(error).partition("\n")[0])
            return _REFUSED not in str(error)
        if started_at != backend.server_started_at:  # a balancer has led us to another one
            return False
        return pid is None or waits_for == "Client"


def connect(*arguments: Any, **options: Any) -> WatchedConnection:
    """As psycopg.connect; the one beside it is opened in the same way, and never waited for for long."""

    def beside() -> WatchedConnection:
        impatient = {**options, "connect_timeout": BESIDE_SECONDS, "autocommit": True}
        other = WatchedConnection.connect(*arguments, **impatient)
        other._silence_seconds, other._is_lost = BESIDE_SECONDS, lambda _: True
        return other

    connection = WatchedConnection.connect(*arguments, **options)
    connection.beside = beside
    return connection


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
