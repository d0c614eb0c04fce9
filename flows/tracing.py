"""Traces by OpenTelemetry's own settings: with the extra `otel` and OTEL_TRACES_EXPORTER; nothing otherwise.

Prefect makes a span of each run and task, under the one that its label names: so the request that starts an
export and the run that makes it are one trace.
"""

import logging
import os
from typing import Any

from opentelemetry import propagate, trace

# prefect.telemetry.run_telemetry.LABELS_TRACEPARENT_KEY, which is no public name.
PARENT_LABEL = "__OTEL_TRACEPARENT"
FLUSH_MILLISECONDS = 2000
# What a folder's signed links lead to: a span holds the whole address, and there that is a credential.
UNTRACED = "/files/"
# Numbers and lines have ways of their own; OpenTelemetry would send them unless it is told not to.
_DEFAULTS = {
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}

logger = logging.getLogger(__name__)


def start(service: str) -> bool:
    """Whether this process is traced from now on."""
    if os.environ.get("OTEL_TRACES_EXPORTER", "none") in ("", "none"):
        return False
    try:
        from opentelemetry.instrumentation import auto_instrumentation
    except ImportError:
        logger.warning("OTEL_TRACES_EXPORTER is set, and report-exports[otel] is not installed: no traces")
        return False
    for name, value in {**_DEFAULTS, "OTEL_SERVICE_NAME": service}.items():
        os.environ.setdefault(name, value)
    auto_instrumentation.initialize()
    return True


def instrument_app(app: Any) -> None:
    """After `begin`; the polls too, unless OTEL_PYTHON_FASTAPI_EXCLUDED_URLS leaves them out."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    named = os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "")
    FastAPIInstrumentor.instrument_app(app, excluded_urls=",".join(filter(None, (named, UNTRACED))))


def trace_labels() -> dict[str, bool | int | float | str]:
    """With which a run continues the trace that goes on here; empty where there is none."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {PARENT_LABEL: carrier["traceparent"]} if "traceparent" in carrier else {}


def flush() -> None:
    """What a process that ends would take with it."""
    provider: Any = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush(FLUSH_MILLISECONDS)
