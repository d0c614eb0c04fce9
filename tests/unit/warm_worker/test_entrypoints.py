import pytest

from deployments.deployment_list import read_deployments
from deployments.warm_worker.entrypoints import OWN, check_entrypoint

SHELL = "subprocess.getoutput"


def test_the_default_entrypoints_match_prefect_yaml() -> None:
    assert {deployment["entrypoint"] for deployment in read_deployments({})} == OWN


@pytest.mark.parametrize("entrypoint", sorted(OWN))
def test_default_entrypoints_are_allowed(entrypoint: str) -> None:
    assert check_entrypoint(entrypoint, frozenset()) is None


@pytest.mark.parametrize(
    "entrypoint", [SHELL, "", "flows.export", "flows.export:export_report", "./x.py:flow"]
)
def test_any_other_entrypoint_is_rejected(entrypoint: str) -> None:
    message = check_entrypoint(entrypoint, frozenset({"my.flows.nightly"}))
    assert message
    assert repr(entrypoint) in message


@pytest.mark.parametrize("others", [{SHELL}, {"*"}])
def test_the_operator_may_allow_others(others: set[str]) -> None:
    assert check_entrypoint(SHELL, frozenset(others)) is None
