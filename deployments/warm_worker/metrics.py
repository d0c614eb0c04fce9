"""The worker's queue in numbers, for Prometheus.

Prefect's own client metrics server serves them: PREFECT_CLIENT_METRICS_ENABLED=true,
PREFECT_CLIENT_METRICS_PORT (4201).
"""

from prometheus_client import Counter, Gauge, Histogram

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
