import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY

from flows import tracing


def test_a_run_outside_a_trace_has_no_labels() -> None:
    assert tracing.trace_labels() == {}


def test_a_run_continues_the_current_trace() -> None:
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with trace.use_span(NonRecordingSpan(context)):
        labels = tracing.trace_labels()
    assert labels == {LABELS_TRACEPARENT_KEY: f"00-{0xABC:032x}-{0xDEF:016x}-01"}


@pytest.mark.parametrize("exporter", [None, "", "none"])
def test_tracing_is_disabled_without_an_exporter(
    monkeypatch: pytest.MonkeyPatch, exporter: str | None
) -> None:
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    if exporter is not None:
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporter)
    assert tracing.start("tests") is False


def test_a_missing_extra_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation", None)
    with caplog.at_level(logging.WARNING):
        assert tracing.start("tests") is False
    assert "report-exports[otel] is not installed" in caplog.text
