"""Test that the schedules in a user's prefect.yaml are registered in the configured work pool."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from prefect.utilities.callables import parameter_schema

from deployments.deployment_list import EXPORT, SHIPPED, DeploymentsInvalid, read_deployments, write_file
from flows.export import export_report

OURS = ["export", "webhook", "sweep"]
WEEKLY = """
deployments:
  - name: weekly
    entrypoint: flows.export.export_report
    {more}
  - name: nightly
    entrypoint: shop.flows.nightly
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "pool"),
    [({}, "exports"), ({"REPORTS_WORK_POOL": ""}, "exports"), ({"REPORTS_WORK_POOL": "night"}, "night")],
)
def test_every_deployment_has_the_pool_of_the_setting(
    folder: Path, settings: dict[str, str], pool: str
) -> None:
    (folder / "prefect.yaml").write_text(WEEKLY.format(more=""))
    deployments = read_deployments(settings)
    assert [deployment["name"] for deployment in deployments] == [*OURS, "weekly"]
    assert {deployment["work_pool"]["name"] for deployment in deployments} == {pool}
    assert deployments[1]["work_pool"]["work_queue_name"] == "webhooks"


def test_without_a_users_file_only_our_deployments_are_registered(folder: Path) -> None:
    assert [deployment["name"] for deployment in read_deployments({})] == OURS


def test_the_checkouts_own_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert [deployment["name"] for deployment in read_deployments({})] == OURS


@pytest.mark.parametrize("settings", [{}, {"REPORTS_WORK_POOL": "night"}])
def test_unchanged_deployments_of_a_copied_file_are_read_once(folder: Path, settings: dict[str, str]) -> None:
    content = yaml.safe_load(SHIPPED.read_text())
    own = {"name": "weekly", "entrypoint": EXPORT}
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [*content["deployments"], own]}))
    deployments = read_deployments(settings)
    assert [deployment["name"] for deployment in deployments] == [*OURS, "weekly"]


def test_the_written_file_has_no_pull_steps(folder: Path) -> None:
    content = yaml.safe_load(write_file(read_deployments({}), folder).read_text())
    assert content["pull"] == []
    assert [deployment["name"] for deployment in content["deployments"]] == OURS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            WEEKLY.format(more="work_pool: {name: day}"),
            "prefect.yaml: the deployment 'weekly' uses the work pool 'day', but REPORTS_WORK_POOL is"
            " 'exports', so no worker would run its exports. Use the same work pool in both places.",
        ),
        (
            WEEKLY.format(more="work_pool: day"),
            "uses the work pool 'day', but REPORTS_WORK_POOL is 'exports'",
        ),
        (
            WEEKLY.replace("weekly", "export").format(more=""),
            "prefect.yaml: the name 'export' of a deployment is missing or already used.",
        ),
        (
            "deployments: [{entrypoint: flows.export.export_report}]",
            "the name None of a deployment is missing",
        ),
        ("deployments: 5", "prefect.yaml must contain a list of `deployments`."),
        ("[1]", "prefect.yaml must contain a list of `deployments`."),
        ("a: [", "prefect.yaml cannot be read: while parsing a flow node"),
    ],
)
def test_an_invalid_file_is_explained(folder: Path, content: str, message: str) -> None:
    (folder / "prefect.yaml").write_text(content)
    with pytest.raises(DeploymentsInvalid) as raised:
        read_deployments({})
    assert message in str(raised.value)


def test_the_form_of_a_custom_run_describes_every_parameter() -> None:
    properties = parameter_schema(export_report.fn).properties
    assert list(properties) == ["request", "recurring", "mask_pii", "rights"]
    assert all(str(parameter["description"]).endswith(".") for parameter in properties.values())
