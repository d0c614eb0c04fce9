"""Test that metrics hide the names of reports that the caller may not see."""

from collections.abc import Collection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.web.metrics import Metrics

STARTS = "report_exports_starts_total"


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    for report, replayed, count in [("orders", "true", 2), ("orders", "false", 3), ("payroll", "false", 4)]:
        metrics.starts.labels(report, replayed).inc(count)
    metrics.requests.labels("GET", "/exports", 200).inc()
    return metrics


def starts(metrics: Metrics, visible: Collection[str]) -> dict[tuple[str, str], float]:
    text = bytes(metrics.response(visible).body).decode()
    assert 'route="/exports"' in text
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples if sample.name == STARTS]
    return {(sample.labels["report"], sample.labels["replayed"]): sample.value for sample in samples}


def test_hidden_reports_are_counted_together(metrics: Metrics) -> None:
    assert starts(metrics, ()) == {("(hidden)", "true"): 2, ("(hidden)", "false"): 7}
    assert starts(metrics, {"orders"}) == {
        ("orders", "true"): 2,
        ("orders", "false"): 3,
        ("(hidden)", "false"): 4,
    }


def test_hiding_changes_only_the_answer(metrics: Metrics) -> None:
    everything = {("orders", "true"): 2, ("orders", "false"): 3, ("payroll", "false"): 4}
    for _ in range(2):
        starts(metrics, ())
        assert starts(metrics, {"orders", "payroll"}) == everything
