"""Detect PostgreSQL connections on which a result will never arrive.

TCP keepalives detect an unreachable host. They do not detect a proxy, firewall or frozen server that
acknowledges packets but sends no data. After REPORTS_SILENCE_SECONDS (60) without data, a second connection
asks the server whether the backend is still working on the query. Without this check, an export could wait
forever. The server enforces REPORTS_STATEMENT_SECONDS (3600) itself, but this does not help if the error
message never arrives.

The check costs nothing while data arrives. Otherwise, it opens one short-lived connection per interval.
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

PROBE_SECONDS = 5
# A server that refuses connections is still alive. Its error message contains this word as the severity. Most
# translations of PostgreSQL leave the word unchanged.
_REFUSED = "FATAL"
_BACKEND_STATE = """
    SELECT pg_postmaster_start_time(), pid, wait_event_type
    FROM (SELECT) AS once LEFT JOIN pg_stat_activity ON pid = %s
"""

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """The server process behind a connection.

    A pooler or load balancer may route a second connection to a different server. A different start time
    reveals this.
    """

    pid: int
    server_started_at: datetime


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that raises OperationalError if the result of a query will never arrive."""

    probe: Callable[[], "WatchedConnection"]
    _silence_seconds: float = math.inf
    _is_lost: Callable[[float], bool]

    def watch(self, backend: Backend, silence_seconds: float, longest_seconds: float) -> None:
        """Check the backend whenever no data arrives for `silence_seconds`.

        `longest_seconds` is the server's own statement timeout. If a connection is silent for longer than
        this timeout plus a margin, it is considered lost.
        """

        def is_lost(silent: float) -> bool:
            return silent > longest_seconds + 2 * silence_seconds or self._has_stopped(backend)

        self._silence_seconds, self._is_lost = silence_seconds, is_lost

    def expect_quick_results(self) -> None:
        """Consider the connection lost after a few seconds without data, until `watch` is called again."""
        self._silence_seconds, self._is_lost = PROBE_SECONDS, lambda _: True

    def wait(self, gen: PQGen[T], *how: Any, **more: Any) -> T:
        return super().wait(self._watched(gen), *how, **more)

    def _watched(self, gen: PQGen[T]) -> PQGen[T]:
        """Wrap a psycopg generator and check the backend while no data arrives.

        psycopg resumes the generator when the socket is ready, and otherwise every 0.1 s.
        """
        try:
            state = next(gen)
            received_at = checked_at = monotonic()
            while True:
                ready = yield state
                if ready:
                    received_at = checked_at = monotonic()
                elif monotonic() - checked_at > self._silence_seconds:
                    self._check(monotonic() - received_at)
                    checked_at = monotonic()
                state = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result

    def _check(self, silent: float) -> None:
        if self._is_lost(silent) and not _has_data(self.pgconn.socket):
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server has sent nothing for {silent:.0f} s")

    def _has_stopped(self, backend: Backend) -> bool:
        try:
            with self.probe() as connection:
                started_at, pid, waits_for = connection.execute(_BACKEND_STATE, [backend.pid]).fetchall()[0]
        except psycopg.OperationalError as error:
            logger.warning("the server is silent and the probe failed: %s", str(error).partition("\n")[0])
            return _REFUSED not in str(error)
        if started_at != backend.server_started_at:  # A load balancer has chosen a different server.
            return False
        return pid is None or waits_for == "Client"


def connect(*arguments: Any, **options: Any) -> WatchedConnection:
    """Connect with the same arguments as psycopg.connect.

    Probes also use these arguments, but with a connection timeout of a few seconds.
    """

    def probe() -> WatchedConnection:
        short = {**options, "connect_timeout": PROBE_SECONDS, "autocommit": True}
        probe_connection = WatchedConnection.connect(*arguments, **short)
        probe_connection.expect_quick_results()
        return probe_connection

    connection = WatchedConnection.connect(*arguments, **options)
    connection.probe = probe
    return connection


def _has_data(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
