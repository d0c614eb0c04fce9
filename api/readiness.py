"""Check whether exports can run. The results are cached for two seconds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from flows.storage.protocol import Storage

# /readyz requires no key. Without a cache, requests to it could overload the database and Prefect.
CACHED_SECONDS = 2.0
SECONDS_BETWEEN_WRITES = 300.0
MAX_REASON = 300
_STATUS = {"failed": "not ready", "degraded": "degraded"}

# A check raises an error if it fails. Any text that it returns is reported instead of "ok".
Check = Callable[[], Awaitable[str | None]]


logger = logging.getLogger(__name__)


class Degraded(Exception):
    """Raised when some, but not all, of the checked parts have failed.

    The message names the failed parts and the reasons.
    """


class StorageCheck:
    """Checks that the storage responds and that files can be written to it.

    A small object is written on the first check, on the next check after a failure, and otherwise every five
    minutes. A write is needed to detect read-only credentials and to find out why a check failed.
    """

    def __init__(self, storage: Storage, clock: Callable[[], float]) -> None:
        self._storage, self._clock = storage, clock
        self._written_at: float | None = None

    async def __call__(self) -> None:
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        now, written_at = self._clock(), self._written_at
        self._written_at = None
        if written_at is None or now - written_at >= SECONDS_BETWEEN_WRITES:
            self._storage.check_writing()
            written_at = now
        else:
            self._storage.check()
        self._written_at = written_at


class ReadinessChecks:
    def __init__(self, checks: Mapping[str, Check], limit_seconds: float, clock: Callable[[], float]) -> None:
        self._checks, self._limit_seconds, self._clock = checks, limit_seconds, clock
        self._results: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._checked_at = -CACHED_SECONDS
        self._running = asyncio.Lock()

    async def results(self) -> dict[str, str]:
        """Return the results of the checks, such as `ok` or `failed`, keyed by check name."""
        async with self._running:
            if self._clock() - self._checked_at >= CACHED_SECONDS:
                results = await asyncio.gather(*map(self._result, self._checks))
                self._results = dict(zip(self._checks, results, strict=True))
                self._checked_at = self._clock()
        return self._results

    @property
    def reasons(self) -> dict[str, str]:
        """Return the reason for each check that failed or is degraded, keyed by check name.

        Reasons may contain network addresses, so only operators may see them.
        """
        return {name: reason for name, reason in self._reasons.items() if self._results.get(name) != "ok"}

    async def _result(self, name: str) -> str:
        try:
            async with asyncio.timeout(self._limit_seconds):
                result = await self._checks[name]() or "ok"
        except Exception as error:  # noqa: BLE001 - any error means that the check failed
            reason, result = reason_of(error), "degraded" if isinstance(error, Degraded) else "failed"
            if self._results.get(name) != result or self._reasons.get(name) != reason:
                logger.warning("%s: %s: %s", _STATUS[result], name, reason)
            self._reasons[name] = reason
        else:
            self._reasons.pop(name, None)
        return result


def reason_of(error: BaseException) -> str:
    """Return the first line of the root cause's message.

    If a PostgreSQL message contains `FATAL:`, only the text after it is returned, because the text before it
    contains the server's address.
    """
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    if isinstance(error, TimeoutError):
        return "no response"
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return text.rpartition("FATAL:")[2].strip()[:MAX_REASON]
