"""Send OpenTelemetry traces if the `otel` extra is installed and OTEL_TRACES_EXPORTER is set.

Prefect creates a span for every run and task. A label on the run contains the parent span, so that the run
and the request that started it belong to the same trace.
"""

import logging
import os
from typing import Any

from opentelemetry import propagate, trace

# Must equal prefect.telemetry.run_telemetry.LABELS_TRACEPARENT_KEY, which is not a public name.
PARENT_LABEL = "__OTEL_TRACEPARENT"
FLUSH_MILLISECONDS = 2000
# Downloads from a storage folder are not traced, because their signed URLs are credentials.
UNTRACED = "/files/"
# By default, OpenTelemetry would also send metrics and logs.
_DEFAULTS = {
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}

logger = logging.getLogger(__name__)


def start(service: str) -> bool:
    """Start tracing in this process. Return whether tracing is enabled."""
    if os.environ.get("OTEL_TRACES_EXPORTER", "none") in ("", "none"):
        return False
    try:
        from opentelemetry.instrumentation import auto_instrumentation
    except ImportError:
        logger.warning(
            "tracing is disabled: OTEL_TRACES_EXPORTER is set, but report-exports[otel] is not installed"
        )
        return False
    for name, value in {**_DEFAULTS, "OTEL_SERVICE_NAME": service}.items():
        os.environ.setdefault(name, value)
    auto_instrumentation.initialize()
    return True


def instrument_app(app: Any) -> None:
    """Trace requests to the app. Call this after `start`.

    OTEL_PYTHON_FASTAPI_EXCLUDED_URLS excludes additional URLs.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    excluded = os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "")
    FastAPIInstrumentor.instrument_app(app, excluded_urls=",".join(filter(None, (excluded, UNTRACED))))


def trace_labels() -> dict[str, bool | int | float | str]:
    """Return the labels that make a run part of the current trace.

    The result is empty if there is no current trace.
    """
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {PARENT_LABEL: carrier["traceparent"]} if "traceparent" in carrier else {}


def flush() -> None:
    """Send pending spans before the process exits."""
    provider: Any = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush(FLUSH_MILLISECONDS)
