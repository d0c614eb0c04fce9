"""Connect to the source databases.

Each database has its own reader threads, so a slow database does not block the others.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine, event, select

from api.outage import OutageLimit
from api.readiness import Degraded, reason_of
from api.settings import ApiSettings
from api.web.problems import Unavailable
from flows.errors import DeclarationError, SourceConflict
from flows.query.report import Report
from flows.sources.snapshot import open_engine, source_errors

CONNECT_SECONDS = 2  # libpq does not support shorter timeouts
READERS = 20
MAX_WAIT_SECONDS = 30.0  # for a lookup while the database responds to others
# Each database's check must end before the readiness check times out. Otherwise, a single slow database would
# make the result `failed` instead of `degraded`.
CHECK_SHARE = 0.8

T = TypeVar("T")


class Database:
    def __init__(self, url: str, outage_seconds: float) -> None:
        self.engine: Engine = open_engine(url, CONNECT_SECONDS, pool_pre_ping=True, pool_size=READERS)
        self._outage = OutageLimit(outage_seconds, MAX_WAIT_SECONDS)
        for happened in ("connect", "after_cursor_execute"):
            event.listen(self.engine, happened, lambda *_: self._outage.note_response())
        self._limiter = CapacityLimiter(READERS)

    async def ping(self) -> None:
        """Raise Unavailable if the database does not respond."""
        await self.in_time(self._ping)

    async def in_time(self, work: Callable[[], T]) -> T:
        try:
            async with self._outage.limited():
                return await self.in_thread(work)
        except TimeoutError as error:
            raise Unavailable("The database that holds the report") from error

    async def in_thread(self, work: Callable[[], T]) -> T:
        read = partial(_again_after_conflict, work)
        return await to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._limiter)

    def _ping(self) -> None:
        with source_errors(), self.engine.connect() as connection:
            connection.execute(select(1))


class Databases:
    """The databases from REPORTS_DATABASE_URL and REPORTS_DATABASES.

    The database from REPORTS_DATABASE_URL has an empty name.
    """

    def __init__(self, settings: ApiSettings) -> None:
        seconds = settings.outage_seconds
        self._databases = {name: Database(url, seconds) for name, url in settings.database_urls.items()}
        self._check_seconds = seconds * CHECK_SHARE

    def of(self, report: Report) -> Database:
        """Return the report's database.

        Raises DeclarationError if the database is not configured.
        """
        if (database := self._databases.get(report.database)) is None:
            raise DeclarationError(f"database: {report.database!r} is not in REPORTS_DATABASES")
        return database

    async def check(self) -> None:
        """Check that all databases respond.

        Raises Degraded if only some of them respond, and a different error if none of them responds.
        """
        if len(self._databases) == 1:
            await self._databases[""].ping()
            return
        results = await asyncio.gather(*map(self._ping, self._databases.values()), return_exceptions=True)
        failed = {
            name: error
            for name, error in zip(self._databases, results, strict=True)
            if isinstance(error, BaseException)
        }
        if len(failed) == len(self._databases):
            raise failed[""]
        if failed:
            reasons = [f"{_shown(name)}: {reason_of(error)}" for name, error in failed.items()]
            raise Degraded("; ".join(reasons))

    async def _ping(self, database: Database) -> None:
        async with asyncio.timeout(self._check_seconds):
            await database.ping()

    def close(self) -> None:
        for database in self._databases.values():
            database.engine.dispose()


def _shown(name: str) -> str:
    return name or "REPORTS_DATABASE_URL"


def _again_after_conflict(work: Callable[[], T]) -> T:
    """Call `work` and return its result. Retry once if a replica has cancelled the query.

    The retry reads from a new snapshot.
    """
    try:
        return work()
    except SourceConflict:
        return work()
