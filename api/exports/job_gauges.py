"""Read the numbers of waiting and running jobs from Prefect when metrics are scraped."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import Gauge

from api.exports.run_reader import RunReader
from api.web.problems import Unavailable

CACHED_SECONDS = 5.0  # so that several scrapers share one read
UNKNOWN = float("nan")


class JobCounts:
    def __init__(self, reader: RunReader, gauge: Gauge, clock: Callable[[], float]) -> None:
        self._reader, self._gauge, self._clock = reader, gauge, clock
        self._read_at = -CACHED_SECONDS

    async def refresh(self) -> None:
        """Update the gauges, or set them to NaN if Prefect is down. Graphs show NaN as a gap."""
        if self._clock() - self._read_at < CACHED_SECONDS:
            return
        self._read_at = self._clock()
        try:
            counts: dict[str, float] = {**await self._reader.counts(datetime.now(UTC))}
        except Unavailable:
            counts = {"queued": UNKNOWN, "running": UNKNOWN}
        for status, count in counts.items():
            self._gauge.labels(status).set(count)
