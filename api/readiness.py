"""Check whether exports can run. Requests that come shortly after each other share one result."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

# Without it, requests to /readyz, which needs no key, could keep the database and Prefect busy.
CACHED_SECONDS = 2.0

# Raises an error if the check failed. A returned text replaces the result "ok".
Check = Callable[[], Awaitable[str | None]]


class ReadinessChecks:
    def __init__(self, checks: Mapping[str, Check], limit_seconds: float, clock: Callable[[], float]) -> None:
        self._checks, self._limit_seconds, self._clock = checks, limit_seconds, clock
        self._results: dict[str, str] = {}
        self._checked_at = -CACHED_SECONDS
        self._running = asyncio.Lock()

    async def results(self) -> dict[str, str]:
        """Return `ok`, `failed` or another result by the name of the check."""
        async with self._running:
            if self._clock() - self._checked_at >= CACHED_SECONDS:
                results = await asyncio.gather(*map(self._result, self._checks.values()))
                self._results = dict(zip(self._checks, results, strict=True))
                self._checked_at = self._clock()
        return self._results

    async def _result(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await check() or "ok"
        except Exception:  # noqa: BLE001 - any error means that the check failed
            return "failed"
