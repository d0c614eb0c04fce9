"""Wrap and replace private functions of Prefect 3.8.8 and 3.9.1.

We use these private functions unchanged:

* FlowRunExecutorContext provides the same cancellation, crash detection and hooks as Prefect's process
  worker.
* ProcessHandle is the type that an executor's starter has to return.
* _run_flow_from_runtime_entrypoint runs a flow as `python -m prefect.flow_engine` does, but in this process.
* EventsWorker and APILogWorker are flushed after each run. They are also drained before a child exits,
  because os._exit() skips their exit hooks.
* _cache_api_version_check skips a version check that the worker has already performed.

We replace the following functions in the child process. The list describes the original functions:

* report_engine_outcome sends the outcome of a run to the worker. Under load, the worker may not receive it in
  time, so the replacement also stores the outcome in the child process.
* observe_flow_run_suspension blocks each run for 140 ms to open a WebSocket that short runs never use.
* emit_task_run_state_change_event sends three events for each task run (see task_run_events.py).
* related_resources_from_run_context reads five objects per run to show names next to ids in events.
* update_flow_run and read_flow_run on the engine's client send two requests per run (see engine_calls.py).
* _send_heartbeats can delay the end of a run by a second. Our progress artifact serves as the heartbeat.
* load_flow_run reads the run from the server, even though the worker has just received it.
* start_client_metrics_server tries to open the worker's metrics port a second time and makes the run fail.
* _read_server_default_result_storage_block_id sends a request per run for results that are never stored.
"""

import contextvars
import logging
import os
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import prefect
from prefect import context as prefect_context
from prefect import flow_engine, results, task_engine
from prefect._flow_run_suspension import FlowRunSuspensionRequest, observe_flow_run_suspension
from prefect._internal.attempt_control import EngineOutcomeReceipt
from prefect._internal.control_listener import report_engine_outcome
from prefect._internal.version_checking import _api_version_check_key, _cache_api_version_check
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.events import worker as events_worker
from prefect.events.schemas.events import RelatedResource
from prefect.events.worker import EventsWorker
from prefect.flow_engine import _run_flow_from_runtime_entrypoint
from prefect.logging import handlers
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle
from prefect.settings import PREFECT_API_URL
from prefect.utilities.engine import emit_task_run_state_change_event

from deployments.warm_worker.processes.engine_calls import answered_locally
from deployments.warm_worker.processes.task_run_events import held_briefly, is_brief

__all__ = [
    "FlowRunExecutorContext",
    "ProcessHandle",
    "close_background_services",
    "flush_background_services",
    "keep_result_storage",
    "omit_hook_lines",
    "open_background_services",
    "run_flow",
]

# Runs shorter than this are not monitored for suspension.
OBSERVE_AFTER_SECONDS = 2.0
DRAIN_SECONDS = 5.0


def open_background_services() -> None:
    """Start the threads that send events and logs, so that runs do not have to start them."""
    _cache_api_version_check(_api_version_check_key(str(PREFECT_API_URL.value()), prefect.__version__))
    vars(events_worker).update(related_resources_from_run_context=_related_resources)
    vars(handlers).update(APILogWorker=APILogWorker)
    EventsWorker.instance()
    APILogWorker.instance()


def omit_hook_lines() -> None:
    """Filter out the engine's routine log lines about hooks before logs are sent to the server."""
    for handler in logging.getLogger("prefect.flow_runs").handlers:
        if isinstance(handler, handlers.APILogHandler):
            handler.addFilter(_is_informative)


def _is_informative(record: logging.LogRecord) -> bool:
    return record.funcName != "call_hooks" or record.levelno > logging.INFO


def keep_result_storage() -> None:
    """Fetch and cache the id of the server's default result storage.

    The request for the id also opens the client's connection.
    """
    block_id = results._read_server_default_result_storage_block_id()
    vars(results).update(_read_server_default_result_storage_block_id=lambda: block_id)


def run_flow(flow_run: FlowRun, entrypoint: str, environment: dict[str, str]) -> bool:
    """Run the flow as `python -m prefect.flow_engine` does. Return whether the run completed.

    Raises SystemExit with the exit code if the engine exits, for example after a pause or an error.
    """
    outcomes: list[EngineOutcomeReceipt] = []

    def report(outcome: EngineOutcomeReceipt) -> bool:
        outcomes.append(outcome)
        return report_engine_outcome(outcome)

    os.environ.update(environment)
    vars(flow_engine).update(
        load_flow_run=lambda flow_run_id: flow_run,
        observe_flow_run_suspension=_observe_later,
        report_engine_outcome=report,
        _send_heartbeats=_no_heartbeats,
    )
    vars(prefect_context).update(start_client_metrics_server=lambda: None)
    client = get_client(sync_client=True)
    with answered_locally(client, flow_run), held_briefly(emit_task_run_state_change_event) as emit:
        vars(task_engine).update(emit_task_run_state_change_event=emit)
        _run_flow_from_runtime_entrypoint(flow_run.id, entrypoint)
    return bool(outcomes) and outcomes[-1].state_type == StateType.COMPLETED.value


def flush_background_services() -> bool:
    """Send all events and log lines from the last run. Return whether all of them were sent in time."""
    flush = _Flush()
    APILogWorker.instance().send(cast(Any, flush))
    queue = EventsWorker.instance()._queue
    with queue.all_tasks_done:
        sent = queue.all_tasks_done.wait_for(lambda: not queue.unfinished_tasks, DRAIN_SECONDS)
    return sent and flush.done.wait(DRAIN_SECONDS)


def close_background_services() -> None:
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)
    APILogWorker.drain_all(timeout=DRAIN_SECONDS)


class _Flush:
    """A queue item that ends the current batch of log lines."""

    def __init__(self) -> None:
        self.done = threading.Event()


class APILogWorker(handlers.APILogWorker):
    """A log worker that sends its current batch on request.

    Prefect's own log worker waits up to two seconds before it sends a batch.
    """

    def _get_size(self, item: Any) -> int:
        return self.max_batch_size if isinstance(item, _Flush) else super()._get_size(item)

    async def _handle_batch(self, items: list[Any]) -> None:
        lines = [item for item in items if not isinstance(item, _Flush)]
        if lines:
            await super()._handle_batch(lines)
        for item in items:
            if isinstance(item, _Flush):
                item.done.set()


async def _related_resources(client: Any, exclude: Set[str] | None = None) -> list[RelatedResource]:
    """Return the current run's related resources, identified only by their ids.

    Unlike Prefect's function, this does not read the names of the resources from the server.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None:
        return []
    if is_brief():
        return [_related("flow-run", f"prefect.flow-run.{run.id}")]
    ids_by_role = {
        "flow-run": run.id,
        "flow": run.flow_id,
        "deployment": run.deployment_id,
        "work-queue": run.work_queue_id,
    }
    resources = {role: f"prefect.{role}.{id_}" for role, id_ in ids_by_role.items() if id_ is not None}
    related = [*resources.items(), *(("tag", f"prefect.tag.{tag}") for tag in sorted(run.tags))]
    return [
        _related(role, resource_id) for role, resource_id in related if resource_id not in (exclude or ())
    ]


def _related(role: str, resource_id: str) -> RelatedResource:
    return RelatedResource({"prefect.resource.id": resource_id, "prefect.resource.role": role})


@contextmanager
def _observe_later(
    flow_run_id: UUID, suspension_request: FlowRunSuspensionRequest, polling_interval: float = 10
) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        if not ended.wait(OBSERVE_AFTER_SECONDS):
            with observe_flow_run_suspension(flow_run_id, suspension_request, polling_interval):
                ended.wait()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(watch,), daemon=True, name="suspension").start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _no_heartbeats(engine: Any, join_on_exit: bool = True) -> Iterator[None]:
    yield
