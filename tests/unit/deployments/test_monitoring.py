"""Test that the alert rules and the dashboard use metrics, labels and error codes that exist."""

import json
import re
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from api.web.metrics import Metrics
from deployments.warm_worker import metrics as worker_metrics
from flows.errors import errors_by_code
from tests.support.system_programs import require_program

FOLDER = Path(__file__).parents[3] / "deployments/monitoring"
ALERTS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
ALERT_TESTS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
    **{f"{panel['title']} {item['refId']}": item["expr"] for panel in PANELS for item in panel["targets"]},
}


def labels_by_metric() -> dict[str, set[str]]:
    """Map the name of each service metric to the names of its labels."""
    labels: dict[str, set[str]] = {}
    for collector in chain(vars(Metrics()).values(), vars(worker_metrics).values()):
        names, kind = getattr(collector, "_labelnames", None), getattr(collector, "_type", None)
        if names is None:
            continue
        if kind == "histogram":
            labels[f"{collector._name}_bucket"] = {*names, "le"}
        labels[collector._name + ("_total" if kind == "counter" else "")] = {*names}
    return labels


LABELS = labels_by_metric()


def test_all_metrics_are_known() -> None:
    exported = {metric.name for registry in (Metrics().registry, REGISTRY) for metric in registry.collect()}
    own = {name for name in exported if name.startswith("report_exports")}
    assert {name.removesuffix("_total").removesuffix("_bucket") for name in LABELS} == own


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_uses_existing_metrics_and_labels(name: str) -> None:
    expression = EXPRESSIONS[name]
    metrics = re.findall(r"\b(report_exports_\w+)(?:\{([^}]*)\})?", expression)
    assert metrics
    for metric, selectors in metrics:
        assert metric in LABELS
        assert set(re.findall(r"(\w+)[=!]", selectors)) <= LABELS[metric]
    grouped = {label for text in re.findall(r"by \(([^)]*)\)", expression) for label in text.split(", ")}
    labels = set().union(*(LABELS[metric] for metric, _ in metrics))
    assert grouped <= labels | {"instance"}


def test_alerts_use_existing_error_codes() -> None:
    codes = set(errors_by_code()) | {worker_metrics.CRASHED}
    patterns = {
        pattern
        for expression in EXPRESSIONS.values()
        for text in re.findall(r'code=~?"([^"]+)"', expression)
        for pattern in text.split("|")
    }
    assert patterns
    assert {
        pattern for pattern in patterns if not any(re.fullmatch(pattern, code) for code in codes)
    } == set()


def test_every_alert_is_tested() -> None:
    raised = {
        item["alertname"]
        for test in ALERT_TESTS
        for item in test["alert_rule_test"]
        if item.get("exp_alerts")
    }
    assert raised == {rule["alert"] for rule in ALERTS}


def test_every_alert_says_what_to_do() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} == set(rule["annotations"])


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in PANELS)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_every_metric_is_on_the_dashboard() -> None:
    expressions = "".join(item["expr"] for panel in PANELS for item in panel["targets"])
    missing = {
        metric for metric in LABELS if not re.search(rf"\b{metric.removesuffix('_bucket')}", expressions)
    }
    assert missing == set()


def check(*arguments: str | Path) -> None:
    command = [require_program("promtool"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - a fixed program
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_accepts_the_alerts() -> None:
    check("check", "rules", FOLDER / "alerts.yaml")


def test_alerts_are_raised_as_expected() -> None:
    check("test", "rules", FOLDER / "alerts.test.yaml")


def test_prometheus_accepts_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "5m", expression)}
        for number, expression in enumerate(EXPRESSIONS.values())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    check("check", "rules", "--lint=none", file)
