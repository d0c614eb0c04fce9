"""How many jobs wait and run, whoever's, asked of Prefect when somebody plots it, and not more often."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import Gauge

from api.exports.run_reader import RunReader
from api.web.problems import Unavailable

# Several scrapers cost Prefect no more than one.
KEPT_SECONDS = 5.0
UNKNOWN = float("nan")


class JobCounts:
    def __init__(self, reader: RunReader, gauge: Gauge, clock: Callable[[], float]) -> None:
        self._reader, self._gauge, self._clock = reader, gauge, clock
        self._read_at = -KEPT_SECONDS

    async def refresh(self) -> None:
        """Without Prefect nobody knows: NaN, which a plot leaves out."""
        if self._clock() - self._read_at < KEPT_SECONDS:
            return
        self._read_at = self._clock()
        try:
            found: dict[str, float] = {**await self._reader.counts(datetime.now(UTC))}
        except Unavailable:
            found = {"queued": UNKNOWN, "running": UNKNOWN}
        for status, count in found.items():
            self._gauge.labels(status).set(count)
