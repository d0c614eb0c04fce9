"""Define Prometheus metrics for the worker and its runs.

If PREFECT_CLIENT_METRICS_ENABLED is true, Prefect's client serves the metrics on the port in
PREFECT_CLIENT_METRICS_PORT (4201 by default).
"""

from prometheus_client import Counter, Gauge, Histogram

from flows.runs.attempt_result import AttemptResult

PREFIX = "report_exports_worker"

limit = Gauge(f"{PREFIX}_limit", "Maximum number of concurrent runs.")
running = Gauge(f"{PREFIX}_running", "Runs in progress.")
warm = Gauge(f"{PREFIX}_warm_processes", "Processes that are ready for a run.")
put_back = Counter(f"{PREFIX}_put_back", "Runs of crashed or stopped workers that were queued again.")
wait_seconds = Histogram(
    f"{PREFIX}_wait_seconds",
    "Seconds from the scheduled start of a run until this worker claimed it.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
attempts = Counter(
    f"{PREFIX}_attempts",
    "Finished export attempts, by code: done, rows.none, an error code, or crashed.",
    ["report", "code"],
)
attempt_seconds = Histogram(
    f"{PREFIX}_attempt_seconds",
    "Seconds from the start of an attempt to the exit of its process.",
    ["report"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
rows = Counter(f"{PREFIX}_rows", "Rows in finished files.", ["report"])
file_bytes = Counter(f"{PREFIX}_bytes", "Bytes in finished files.", ["report"])

# The `code` label of an attempt whose process ended without reporting a result.
CRASHED = "crashed"


def count_attempt(result: AttemptResult | None, seconds: float) -> None:
    """Record the metrics of an export attempt. Runs of other flows have no `result` and are ignored."""
    if result is None:
        return
    attempts.labels(result.report, result.code).inc()
    attempt_seconds.labels(result.report).observe(seconds)
    rows.labels(result.report).inc(result.rows)
    file_bytes.labels(result.report).inc(result.bytes)
