"""Main function of a warm process. The process imports everything, waits for one run and executes it."""

import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from flows import logs, tracing
from flows.runs import attempt_result

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from flows.settings import Settings

READY = b"ready"

# Modules to import before the first fork. Otherwise, each run would take 100 ms to import the later entries.
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
    "deployments.warm_worker.processes.gc_freeze",
]


@dataclass(frozen=True)
class Job:
    flow_run: "FlowRun"
    entrypoint: str
    environment: dict[str, str]


def main(connection: Connection) -> None:
    """Wait for a job, run it and exit. Exits with 0 if the worker ends without sending a job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C
    with _warm_up() as settings:
        try:
            connection.send_bytes(READY)
            job = connection.recv()
        except (EOFError, BrokenPipeError):
            os._exit(0)
        _configure_log(job, settings.log_format)
        code = _run(job)
        with suppress(OSError):  # the worker may have ended
            connection.send(attempt_result.last())
        tracing.flush()
        # A normal exit would wait for the threads of clients and drivers, which keeps the slot occupied.
        os._exit(code)


def _configure_log(job: Job, log_format: logs.Format) -> None:
    from api.exports.flow_run_job import caller_of

    caller = caller_of(job.flow_run)
    logs.bind_run(log_format, job=str(job.flow_run.id), **({"caller": caller} if caller else {}))


def _run(job: Job) -> int:
    """Run the flow and return the exit code."""
    from deployments.warm_worker.processes.prefect_internals import run_flow

    try:
        run_flow(job.flow_run, job.entrypoint, job.environment)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        logging.getLogger(__name__).exception("flow run %s failed", job.flow_run.id)
        return 1
    return 0


@contextmanager
def _warm_up() -> "Iterator[Settings]":
    """Open clients and an event loop in this process, because they cannot be inherited through a fork."""
    from prefect.context import SyncClientContext

    from deployments.warm_worker.processes.prefect_internals import (
        keep_result_storage,
        open_background_services,
    )
    from flows.reports import catalog
    from flows.settings import Settings
    from flows.storage.from_url import open_storage

    tracing.start("report-exports-run")
    open_background_services()
    settings = Settings()
    catalog(settings.catalog_modules, settings.default_report)
    open_storage(settings.storage_url, settings.public_url).warm_up()
    # The flow engine reuses this connected client. Creating its TLS context takes 40 ms.
    with SyncClientContext.get_or_create():
        keep_result_storage()
        gc.freeze()
        yield settings
