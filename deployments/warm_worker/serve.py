"""Implement `report-exports worker`, which runs a warm worker until a signal stops it."""

import asyncio
import signal

from deployments.warm_worker.prefect_internals import UntestedPrefect
from deployments.warm_worker.worker import WarmWorker, WorkerRefused
from flows import logs
from flows.settings import Settings

__all__ = ["UntestedPrefect", "WorkerRefused", "serve"]


async def serve(work_pool: str, name: str | None, limit: int | None, grace_seconds: float) -> None:
    """Serve the work pool until a signal arrives.

    Raises WorkerRefused or UntestedPrefect if the worker cannot start.
    """
    logs.configure(Settings().log_format)
    worker = WarmWorker(work_pool, name=name, limit=limit, create_pool_if_not_found=False)
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
