"""The worker's queue, and what its runs made, in numbers for Prometheus.

Prefect's own client metrics server serves them: PREFECT_CLIENT_METRICS_ENABLED=true,
PREFECT_CLIENT_METRICS_PORT (4201).
"""

from prometheus_client import Counter, Gauge, Histogram

from flows.runs.attempt_result import AttemptResult

PREFIX = "report_exports_worker"

limit = Gauge(f"{PREFIX}_limit", "Runs that may go on at a time.")
running = Gauge(f"{PREFIX}_running", "Runs that go on.")
warm = Gauge(f"{PREFIX}_warm_processes", "Processes that wait for a run.")
put_back = Counter(f"{PREFIX}_put_back", "Runs of lost workers that were put back.")
wait_seconds = Histogram(
    f"{PREFIX}_wait_seconds",
    "From the moment a run was due to the moment this worker took it.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
attempts = Counter(
    f"{PREFIX}_attempts",
    "Attempts at exports that have ended: done, rows.none, the code of a failure, or crashed.",
    ["report", "code"],
)
attempt_seconds = Histogram(
    f"{PREFIX}_attempt_seconds",
    "From the moment a process was given an attempt to the end of the process.",
    ["report"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
rows = Counter(f"{PREFIX}_rows", "Rows in the files that were made.", ["report"])
file_bytes = Counter(f"{PREFIX}_bytes", "Bytes of the files that were made.", ["report"])

# The process was killed, or died, before it could tell.
CRASHED = "crashed"


def count(ended: AttemptResult | None, seconds: float) -> None:
    """None is the end of another flow's run."""
    if ended is None:
        return
    attempts.labels(ended.report, ended.code).inc()
    attempt_seconds.labels(ended.report).observe(seconds)
    rows.labels(ended.report).inc(ended.rows)
    file_bytes.labels(ended.report).inc(ended.bytes)
