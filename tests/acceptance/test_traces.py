"""With OpenTelemetry's own settings, a request and the run that it starts are one trace."""

import re

import httpx
import pytest

from tests.support.export_client import EMPTY_SURVEY, Session, follow
from tests.support.extra_processes import create_pool, deploy_export, extra_processes, pool_settings
from tests.support.running_stack import Stack

POOL = "traced"
TRACED = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "100"}
REQUEST = {"surveyId": EMPTY_SURVEY, "from": "2025-1-1", "to": "2025-1-2", "name": "traced"}
SPAN = re.compile(
    r'^\{\n    "name": "(?P<name>[^"]+)",.*?"trace_id": "0x(?P<trace>\w+)",.*?"parent_id": (?P<parent>\S+),',
    re.DOTALL | re.MULTILINE,
)


def traces(said: str) -> dict[str, str]:
    """The trace of each span, by its name."""
    return {found["name"]: found["trace"] for found in SPAN.finditer(said)}


@pytest.fixture(scope="module")
def output(stack: Stack, prefect: httpx.Client) -> dict[str, dict[str, str]]:
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    with extra_processes(stack) as others:
        worker = others.start_warm_worker(POOL, "--limit", "1", **TRACED)
        url = others.start_api(**TRACED, **pool_settings(POOL, POOL))
        others.wait_for_output(worker, "started!")
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as api:
            started = api.post("/exports", json=REQUEST).raise_for_status().json()
            follow(api, Session(started["id"]))
        others.wait_for_output(worker, '"name": "presign')
        others.wait_for_output(others.api_process, '"name": "POST /exports"')
        return {"api": traces(others.output(others.api_process)), "run": traces(others.output(worker))}


def test_a_request_and_the_run_that_it_starts_are_one_trace(said: dict[str, dict[str, str]]) -> None:
    trace = said["api"]["POST /exports"]
    of_the_run = {name.partition("-")[0]: found for name, found in said["run"].items()}
    assert {"survey", "fetch", "transform_to_csv", "upload", "presign"} <= set(of_the_run)
    assert set(of_the_run.values()) == {trace}
