"""Start, read and cancel flow runs through Prefect's REST API."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def start(
    prefect: httpx.Client,
    deployment_id: str,
    parameters: Mapping[str, Any] | None = None,
    in_seconds: float = 0,
) -> str:
    start_time = (datetime.now(UTC) + timedelta(seconds=in_seconds)).isoformat()
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": start_time}}
    body: dict[str, Any] = {"parameters": dict(parameters or {})}
    if in_seconds:
        body["state"] = scheduled
    response = prefect.post(f"/deployments/{deployment_id}/create_flow_run", json=body)
    return str(response.raise_for_status().json()["id"])


def read(prefect: httpx.Client, run_id: str) -> dict[str, Any]:
    return dict(prefect.get(f"/flow_runs/{run_id}").raise_for_status().json())


def wait_for_state(
    prefect: httpx.Client, run_id: str, *types: str, within_seconds: float = 60
) -> dict[str, Any]:
    deadline = time.monotonic() + within_seconds
    while (run := read(prefect, run_id))["state_type"] not in types:
        assert time.monotonic() < deadline, (run_id, run["state"])
        time.sleep(0.05)
    return run


def wait_until_finished(
    prefect: httpx.Client, *run_ids: str, within_seconds: float = 60
) -> list[dict[str, Any]]:
    deadline = time.monotonic() + within_seconds
    return [
        wait_for_state(prefect, run_id, *FINAL, within_seconds=max(0.1, deadline - time.monotonic()))
        for run_id in run_ids
    ]


def cancel(prefect: httpx.Client, run_id: str) -> None:
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    prefect.post(f"/flow_runs/{run_id}/set_state", json=body).raise_for_status()


def sweep(prefect: httpx.Client) -> None:
    """Run the sweep and wait for its end."""
    body = {"flows": {"name": {"any_": ["sweep-files"]}}}
    (deployment, *_) = prefect.post("/deployments/filter", json=body).raise_for_status().json()
    wait_until_finished(prefect, start(prefect, deployment["id"]), within_seconds=120)


def states(prefect: httpx.Client, run_id: str) -> list[dict[str, Any]]:
    """Return the state history of the run, oldest first."""
    response = prefect.get("/flow_run_states/", params={"flow_run_id": run_id}).raise_for_status()
    return sorted(response.json(), key=lambda state: str(state["timestamp"]))


def describe_states(prefect: httpx.Client, run_id: str) -> list[str]:
    return [
        f"{state['timestamp']} {state['name']} {state['message'] or ''}" for state in states(prefect, run_id)
    ]


def epoch_seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def log_lines(prefect: httpx.Client, run_id: str) -> list[str]:
    log_filter = {"logs": {"flow_run_id": {"any_": [run_id]}}}
    return [line["message"] for line in prefect.post("/logs/filter", json=log_filter).json()]


def wait_for_log_line(prefect: httpx.Client, run_id: str, text: str, within_seconds: float = 10) -> None:
    deadline = time.monotonic() + within_seconds
    while not any(text in line for line in log_lines(prefect, run_id)):
        assert time.monotonic() < deadline, log_lines(prefect, run_id)
        time.sleep(0.1)


def wait_for_task_run(prefect: httpx.Client, run_id: str, within_seconds: float = 10) -> dict[str, Any]:
    """Wait until the flow run's only task run is in a final state, and return the task run."""
    run_filter = {"flow_runs": {"id": {"any_": [run_id]}}}
    deadline = time.monotonic() + within_seconds
    while True:
        task_runs = prefect.post("/task_runs/filter", json=run_filter).raise_for_status().json()
        if [run["state_type"] in FINAL for run in task_runs] == [True]:
            return dict(task_runs[0])
        assert time.monotonic() < deadline, task_runs
        time.sleep(0.1)
