"""All that the warm worker uses of Prefect beyond its public API, read in Prefect 3.8.8.

FlowRunExecutorContext: cancellation, crash detection and hooks exactly as the stock worker has them.
ProcessHandle: what an executor's starter hands over.
_run_flow_from_runtime_entrypoint: what `python -m prefect.flow_engine` does, in a process already there.
EventsWorker, APILogWorker: are drained before a child ends; their own exit hooks do not run in it.
observe_flow_run_suspension: blocks each run about 140 ms for a websocket that a short run never uses.
related_resources_from_run_context: five reads a run for names that an event shows beside its ids.
_cache_api_version_check: a question that the worker has asked already.
_send_heartbeats: ends up to a second late, and the progress artifact is the heartbeat here.
load_flow_run: a read of what the worker has just been given; the engine reads the run again once it runs.
start_client_metrics_server: opens the worker's own port once more, which fails the run.
_read_server_default_result_storage_block_id: a read per run for results that are not kept.
"""

import contextvars
import os
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any
from uuid import UUID

import prefect
from prefect import context as prefect_context
from prefect import flow_engine, results
from prefect._flow_run_suspension import FlowRunSuspensionRequest, observe_flow_run_suspension
from prefect._internal.version_checking import _api_version_check_key, _cache_api_version_check
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.events import worker as events_worker
from prefect.events.schemas.events import RelatedResource
from prefect.events.worker import EventsWorker
from prefect.flow_engine import _run_flow_from_runtime_entrypoint
from prefect.logging.handlers import APILogWorker
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._hook_runner import HookRunner
from prefect.runner._process_manager import ProcessHandle
from prefect.settings import PREFECT_API_URL

__all__ = [
    "FlowRunExecutorContext",
    "HookRunner",
    "ProcessHandle",
    "UntestedPrefect",
    "check_version",
    "keep_result_storage",
    "open_background_services",
    "run_flow",
]

TESTED_VERSION = "3.8.8"
# A run that lasts longer is watched for suspension from then on.
WATCHED_AFTER_SECONDS = 2.0
DRAIN_SECONDS = 5.0


class UntestedPrefect(RuntimeError):
    """The installed Prefect is not the one whose internals are used here."""


def check_version() -> None:
    found = version("prefect")
    if found != TESTED_VERSION:
        raise UntestedPrefect(
            f"The warm worker was tested with Prefect {TESTED_VERSION}, and {found} is installed. Install"
            f" prefect=={TESTED_VERSION}, or use a work pool of type process meanwhile."
        )


def open_background_services() -> None:
    """Starts the threads that carry events and logs, so that a run does not wait for them."""
    _cache_api_version_check(_api_version_check_key(str(PREFECT_API_URL.value()), prefect.__version__))
    vars(events_worker).update(related_resources_from_run_context=_related_to_run)
    EventsWorker.instance()
    APILogWorker.instance()


def keep_result_storage() -> None:
    """Where the server keeps results by default, as it is now; opens the client's connection too."""
    found = results._read_server_default_result_storage_block_id()
    vars(results).update(_read_server_default_result_storage_block_id=lambda: found)


def run_flow(flow_run: FlowRun, entrypoint: str, environment: dict[str, str]) -> None:
    """Runs it as `python -m prefect.flow_engine` would; SystemExit tells how it went."""
    os.environ.update(environment)
    vars(flow_engine).update(
        load_flow_run=lambda flow_run_id: flow_run,
        observe_flow_run_suspension=_observe_later,
        _send_heartbeats=_no_heartbeats,
    )
    vars(prefect_context).update(start_client_metrics_server=lambda: None)
    try:
        _run_flow_from_runtime_entrypoint(flow_run.id, entrypoint)
    finally:
        EventsWorker.drain_all(timeout=DRAIN_SECONDS)
        APILogWorker.drain_all(timeout=DRAIN_SECONDS)


async def _related_to_run(client: Any, exclude: Set[str] | None = None) -> list[RelatedResource]:
    """The same resources by their ids, from what the run knows of itself."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None:
        return []
    named = {
        "flow-run": run.id,
        "flow": run.flow_id,
        "deployment": run.deployment_id,
        "work-queue": run.work_queue_id,
    }
    ids = {role: f"prefect.{role}.{found}" for role, found in named.items() if found is not None}
    related = [*ids.items(), *(("tag", f"prefect.tag.{tag}") for tag in sorted(run.tags))]
    return [
        RelatedResource({"prefect.resource.id": found, "prefect.resource.role": role})
        for role, found in related
        if found not in (exclude or ())
    ]


@contextmanager
def _observe_later(
    flow_run_id: UUID, suspension_request: FlowRunSuspensionRequest, polling_interval: float = 10
) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        if not ended.wait(WATCHED_AFTER_SECONDS):
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
