"""Prometheus metrics for requests, starts and jobs."""

import os
import time
from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER, HIDDEN = "(other)", "(hidden)"
# Environment variable that names the folder through which prometheus_client shares metrics between processes.
# If it is not set, metrics are not shared.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "report_exports_requests",
            "Number of requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "report_exports_request_seconds",
            "Time from receiving a request to sending the complete response.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.starts = Counter(
            "report_exports_starts",
            "Number of started exports. `replayed` is true if an existing job was returned.",
            ["report", "replayed"],
            registry=self.registry,
        )
        self.jobs = Gauge(
            "report_exports_jobs",
            "Number of waiting and running jobs of all callers.",
            ["status"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.watched = Gauge(
            "report_exports_watched_jobs",
            "Number of recently polled jobs.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def response(self, visible_reports: Collection[str]) -> Response:
        """Return all metrics. Report names are shown only if they are in `visible_reports`."""
        registry = self.registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        shown = _HiddenReports(registry, visible_reports)
        return Response(generate_latest(shown), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _HiddenReports(CollectorRegistry):
    """A view of a registry in which all hidden reports share one label."""

    def __init__(self, registry: CollectorRegistry, visible: Collection[str]) -> None:
        super().__init__()
        self._registry, self._visible = registry, visible

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if any("report" in sample.labels for sample in metric.samples):
                metric.samples = self._hide(metric.samples)
            yield metric

    def _hide(self, samples: list[Sample]) -> list[Sample]:
        sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for sample in samples:
            report = sample.labels["report"]
            labels = sample.labels | {"report": report if report in self._visible else HIDDEN}
            series = sample.name, tuple(labels.items())
            value = max if sample.name.endswith("_created") else sum
            sums[series] = value([sums.get(series, 0.0), sample.value])
        return [Sample(name, dict(labels), value) for (name, labels), value in sums.items()]


class Measured:
    """ASGI middleware that counts and times requests.

    Requests are grouped by route template, because paths contain ids.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, status = time.perf_counter(), 500

        async def send_and_record(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            # Unknown paths and methods share one label, so clients cannot create new time series.
            route = getattr(scope.get("route"), "path_format", OTHER)
            method = scope["method"] if route != OTHER else OTHER
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started_at)
