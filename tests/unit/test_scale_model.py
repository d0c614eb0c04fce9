"""Test that the scale model is accurate and that the operations guide shows its figures."""

import sys
from pathlib import Path

import pytest

from benchmarks import scale_model
from benchmarks.scale_model import ALLOWED_ERROR, CLUSTERS, COSTS, MEASUREMENTS, Cluster

GUIDE = (Path(__file__).parents[2] / "docs/operations.md").read_text()


@pytest.mark.parametrize("measured", MEASUREMENTS, ids=lambda measured: measured.title)
def test_measurements_are_predicted(measured: scale_model.Measured) -> None:
    assert scale_model.error_of(measured) <= ALLOWED_ERROR


def test_a_wrong_model_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_model, "EFFICIENCY", 0.5)
    monkeypatch.setattr(sys, "argv", ["scale_model"])
    with pytest.raises(SystemExit, match="True"):
        scale_model.main()


@pytest.mark.parametrize("part", COSTS)
def test_more_cores_of_the_bottleneck_help_and_others_do_not(part: str) -> None:
    cluster = Cluster("", **dict.fromkeys(COSTS, 1000) | {part: 1})
    assert scale_model.bottleneck(cluster)[0] == part
    doubled = Cluster("", **dict.fromkeys(COSTS, 2000) | {part: 1})
    assert scale_model.bottleneck(doubled) == scale_model.bottleneck(cluster)


def test_the_cores_for_a_rate_suffice_for_it() -> None:
    cluster = Cluster("", **scale_model.cores_for(1000))
    assert scale_model.bottleneck(cluster)[1] >= 1000


def test_large_exports_need_more_of_the_worker_only() -> None:
    small, large = (scale_model.rates(CLUSTERS[-1], rows) for rows in (1_000, 1_000_000))
    assert large["worker"] < small["worker"] / 10
    assert {part for part in COSTS if large[part] == small[part]} == {"prefect", "postgres", "api"}


@pytest.mark.parametrize(
    "rows",
    [scale_model.cluster_rows(), scale_model.limit_rows(), scale_model.target_rows(scale_model.TARGET)],
)
def test_the_guide_shows_the_figures_of_the_model(rows: list[tuple[str, ...]]) -> None:
    assert [row for row in rows if f"| {' | '.join(row)} |" not in GUIDE] == []
