"""Main function of a warm process. The process imports everything and executes one run after another."""

import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import psutil

from deployments.warm_worker.processes.isolation import leftover_threads, run_isolated
from flows import logs, tracing
from flows.runs import attempt_result
from flows.runs.attempt_result import AttemptResult

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from flows.settings import Settings

# Modules to import before the first fork. The first two contain the flows. If the others were not in this
# list, each run would spend another 100 ms importing them.
PRELOAD = [
    "flows.export",
    "flows.delivery",
    "prefect.flow_engine",
    "prefect.client.orchestration",
    "prefect.events.worker",
    "prefect.events.clients",
    "prefect.concurrency.services",
    "prefect.task_engine",
    "prefect._internal.observers",
    "prefect.utilities.visualization",
    "anyio._backends._asyncio",
    "websockets.asyncio.client",
    "encodings.idna",
    "stringprep",
    "api.exports.flow_run_job",
    "deployments.warm_worker.processes.prefect_internals",
    "deployments.warm_worker.processes.child",
    "deployments.warm_worker.processes.isolation",
    "deployments.warm_worker.processes.task_run_events",
    "deployments.warm_worker.processes.engine_calls",
    "flows.formats.csv.writer",
    "flows.formats.jsonl.writer",
    "flows.formats.parquet.writer",
    "flows.formats.xlsx.writer",
    "flows.rows.pandas_frames",
    "deployments.warm_worker.processes.before_fork",
]
# A process closes its connections to databases after it has been idle for this long.
KEPT_CONNECTION_SECONDS = 10.0


@dataclass(frozen=True)
class Job:
    flow_run: "FlowRun"
    entrypoint: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Ready:
    """A message that the process sends when it is ready for a run.

    `bytes` is the size of the process's resident memory.
    """

    bytes: int


@dataclass(frozen=True)
class RunEnd:
    """A message that the process sends when a run has ended.

    `result` is None for flows that report no result.
    """

    exit_code: int
    completed: bool
    result: AttemptResult | None
    bytes: int


@dataclass(frozen=True)
class Unusable:
    """A message that the process sends instead of Ready if its last run left something behind.

    The process must not execute another run.
    """

    reason: str


def main(connection: Connection) -> None:
    """Execute runs until the worker closes the connection, or until a run leaves something behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C
    with _warm_up() as settings, suppress(EOFError, OSError):
        reason = None
        while reason is None:
            connection.send(Ready(_resident_bytes()))
            _run_next(connection, settings)
            reason = _find_leftovers()
        connection.send(Unusable(reason))
    _finish()
    # A normal exit would wait for the threads of clients and drivers.
    os._exit(0)


def _receive(connection: Connection) -> Job:
    from flows.sources.shared_engines import close_idle_connections

    if not connection.poll(KEPT_CONNECTION_SECONDS):
        close_idle_connections()
    job: Job = connection.recv()
    return job


def _run_next(connection: Connection, settings: "Settings") -> None:
    job = _receive(connection)
    attempt_result.clear()
    exit_code, completed = run_isolated(partial(_run, job, settings.log_format))
    logs.unbind_run()
    connection.send(RunEnd(exit_code, completed, attempt_result.last(), _resident_bytes()))


def _find_leftovers() -> str | None:
    """Send the run's remaining events, log lines and spans.

    Returns the reason why the process must not execute another run, or None if it may.
    """
    from deployments.warm_worker.processes.prefect_internals import flush_background_services

    tracing.flush()
    if not flush_background_services():
        return "its last events or log lines could not be sent in time"
    if threads := leftover_threads():
        return f"the run left threads running: {', '.join(thread.name for thread in threads)}"
    return None


def _finish() -> None:
    from deployments.warm_worker.processes.prefect_internals import close_background_services

    close_background_services()
    tracing.flush()


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _configure_log(job: Job, log_format: logs.Format) -> None:
    from api.exports.flow_run_job import caller_of

    caller = caller_of(job.flow_run)
    logs.bind_run(log_format, job=str(job.flow_run.id), **({"caller": caller} if caller else {}))


def _run(job: Job, log_format: logs.Format) -> tuple[int, bool]:
    """Run the flow. Return the exit code, and whether the run completed."""
    from deployments.warm_worker.processes.prefect_internals import run_flow

    try:
        _configure_log(job, log_format)
        return 0, run_flow(job.flow_run, job.entrypoint, job.environment)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1, False
    except BaseException:
        logging.getLogger(__name__).exception("flow run %s failed", job.flow_run.id)
        return 1, False


@contextmanager
def _warm_up() -> "Iterator[Settings]":
    """Set up the clients and threads that a forked process cannot inherit. Yields the settings."""
    from prefect.context import SyncClientContext
    from prefect.logging.configuration import setup_logging

    from deployments.warm_worker.processes.prefect_internals import (
        keep_result_storage,
        omit_hook_lines,
        open_background_services,
    )
    from flows.reports import catalog
    from flows.runs.prefect_calls import HEADERS
    from flows.settings import Settings
    from flows.storage.from_url import open_storage

    tracing.start("report-exports-run")
    open_background_services()
    settings = Settings()
    setup_logging()
    omit_hook_lines()
    logs.configure(settings.log_format)
    catalog(settings.catalog_modules, settings.default_report)
    open_storage(settings.storage_url, settings.public_url, settings.silence_seconds).warm_up()
    # The flow engine reuses this connected client. Creating another TLS context would take 40 ms.
    with SyncClientContext.get_or_create() as context:
        context.client._client.headers.update(HEADERS)
        keep_result_storage()
        gc.freeze()
        yield settings
