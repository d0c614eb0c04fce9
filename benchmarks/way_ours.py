"""Run the export flow in a warm process with a Prefect server, as the worker does in production.

The measurement starts when the warm process receives the flow run.
"""

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun

from benchmarks.turn import Parameters, run_turn
from deployments.warm_worker.processes import child
from deployments.warm_worker.processes.prefect_internals import run_flow
from flows import export
from flows.runs import flow_names
from flows.runs.run_name import run_name
from flows.storage import s3

ENTRYPOINT = "flows.export.export_report"


def prepare(parameters: Parameters) -> Callable[[], None]:
    if parameters.get("without_md5"):
        vars(s3).update(md5=lambda _: bytes(16))
    if parameters.get("obstore"):
        from benchmarks.obstore_storage import ObstoreStorage

        storage = ObstoreStorage(parameters["bucket"])
        vars(export).update(open_storage=lambda *_: storage)
    child._warm_up().__enter__()
    prefect = httpx.Client(
        base_url=os.environ["PREFECT_API_URL"],
        auth=httpx.BasicAuth(*os.environ["PREFECT_API_AUTH_STRING"].split(":", 1)),
        trust_env=False,
    )
    flow_run = pending_run(prefect, parameters["request"])
    return lambda: run(prefect, flow_run)


def pending_run(prefect: httpx.Client, request: dict[str, Any]) -> FlowRun:
    """Create a flow run in the Pending state, with the name that the API would give it.

    The worker sets this state before it starts a run.
    """
    flow_id = prefect.post("/flows/", json={"name": flow_names.EXPORT}).raise_for_status().json()["id"]
    body = {"flow_id": flow_id, "parameters": {"request": request}, "state": {"type": "PENDING"}}
    run_id = prefect.post("/flow_runs/", json=body).raise_for_status().json()["id"]
    name = run_name(request["report"], UUID(run_id))
    prefect.patch(f"/flow_runs/{run_id}", json={"name": name}).raise_for_status()
    return FlowRun.model_validate(prefect.get(f"/flow_runs/{run_id}").raise_for_status().json())


def run(prefect: httpx.Client, flow_run: FlowRun) -> None:
    run_flow(flow_run, ENTRYPOINT, {"PREFECT__FLOW_RUN_ID": str(flow_run.id)})
    state = prefect.get(f"/flow_runs/{flow_run.id}").raise_for_status().json()["state"]
    if state["type"] != "COMPLETED":
        raise SystemExit(f"{state['name']}: {state['message']}")


if __name__ == "__main__":
    run_turn(prepare)
