"""Implement `report-exports worker`, which runs a warm worker until a signal stops it."""

import asyncio
import logging
import signal

from deployments.warm_worker import WarmWorker
from deployments.warm_worker.versions import installed_version, is_tested, untested_warning
from deployments.warm_worker.work_pool import WorkerRefused
from flows import logs
from flows.settings import Settings

__all__ = ["WorkerRefused", "serve"]

logger = logging.getLogger(__name__)


async def serve(
    work_pool: str, name: str | None, limit: int | None, grace_seconds: float, runs_per_process: int
) -> None:
    """Serve the work pool until a signal arrives.

    Raises WorkerRefused if the worker cannot serve the pool.
    """
    logs.configure(Settings().log_format)
    if not is_tested(installed := installed_version()):
        logger.warning(untested_warning(installed))
    worker = WarmWorker(
        work_pool, name=name, limit=limit, runs_per_process=runs_per_process, create_pool_if_not_found=False
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await worker.drain(grace_seconds)
        serving.cancel()
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    try:
        await serving
    except asyncio.CancelledError:
        return
