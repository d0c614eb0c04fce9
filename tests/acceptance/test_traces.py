"""Test that a request and the run that it starts belong to the same OpenTelemetry trace."""

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


def trace_ids(output: str) -> dict[str, str]:
    """Return a dictionary that maps span names to trace ids."""
    return {span["name"]: span["trace"] for span in SPAN.finditer(output)}


@pytest.fixture(scope="module")
def spans(stack: Stack, prefect: httpx.Client) -> dict[str, dict[str, str]]:
    create_pool(prefect, POOL, "warm")
    deploy_export(prefect, POOL, POOL)
    with extra_processes(stack) as processes:
        worker = processes.start_warm_worker(POOL, "--limit", "1", **TRACED)
        url = processes.start_api(**TRACED, **pool_settings(POOL, POOL))
        processes.wait_for_output(worker, "started!")
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as api:
            job = api.post("/exports", json=REQUEST).raise_for_status().json()
            follow(api, Session(job["id"]))
        processes.wait_for_output(worker, '"name": "presign')
        processes.wait_for_output(processes.api_process, '"name": "POST /exports"')
        return {
            "api": trace_ids(processes.output(processes.api_process)),
            "run": trace_ids(processes.output(worker)),
        }


def test_a_request_and_its_run_share_one_trace(spans: dict[str, dict[str, str]]) -> None:
    trace = spans["api"]["POST /exports"]
    run_traces = {name.partition("-")[0]: trace_id for name, trace_id in spans["run"].items()}
    assert {"survey", "fetch", "transform_to_csv", "upload", "presign"} <= set(run_traces)
    assert set(run_traces.values()) == {trace}
