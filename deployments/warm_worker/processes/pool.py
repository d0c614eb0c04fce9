"""Pool of warm processes. Each process waits for one run, executes it and exits."""

import asyncio
import logging
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import TracebackType

from deployments.warm_worker import metrics
from deployments.warm_worker.processes import child
from deployments.warm_worker.processes.child import Job
from flows.runs.attempt_result import AttemptResult

WARM_UP_SECONDS = 60.0
# Delay before a replacement process starts, because its start slows down the current run. The delay ends
# early if a run is waiting for a process.
REFILL_DELAY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class WarmProcess:
    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self.process, self._connection = process, connection
        self._started_at = 0.0

    async def wait_until_ready(self) -> bool:
        """Return whether the process became ready in time. A process that did not is killed."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                await _wait_until_readable(self._connection.fileno())
            return self._connection.recv_bytes() == child.READY
        except (TimeoutError, EOFError, OSError):
            self.kill()
            return False

    def start(self, job: Job) -> None:
        self._started_at = time.monotonic()
        self._connection.send(job)

    async def wait_until_ended(self) -> None:
        await _wait_until_readable(self.process.sentinel)
        self.process.join()
        metrics.count_attempt(self._read_attempt_result(), time.monotonic() - self._started_at)
        self._connection.close()

    def _read_attempt_result(self) -> AttemptResult | None:
        """Return the result that the process reported, or CRASHED if it ended without a report."""
        try:
            return self._connection.recv() if self._connection.poll() else AttemptResult("", metrics.CRASHED)
        except (EOFError, OSError):
            return AttemptResult("", metrics.CRASHED)

    def kill(self) -> None:
        if self.process.is_alive():
            self.process.kill()


class WarmProcessPool:
    """Keeps `size` processes ready or warming up, in addition to the processes that execute runs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(child.PRELOAD)
        self._warming: set[asyncio.Task[None]] = set()
        self._ready: deque[WarmProcess] = deque()
        self._changed = asyncio.Condition()
        self._refill_now = asyncio.Event()

    async def __aenter__(self) -> "WarmProcessPool":
        for _ in range(self._size):
            self._add_process(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        for process in self._ready:
            process.kill()

    async def wait_until_ready(self) -> None:
        """Wait until at least one process is ready."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._ready))

    @property
    def ready_count(self) -> int:
        return len(self._ready)

    async def acquire(self) -> WarmProcess:
        async with self._changed:
            while True:
                while not self._ready:
                    self._refill_now.set()
                    if not self._warming:
                        self._add_process(0)
                    await self._changed.wait()
                self._refill_now.clear()
                process = self._ready.popleft()
                self._add_process(REFILL_DELAY_SECONDS)
                if process.process.is_alive():  # an idle process may have been killed
                    return process

    def _add_process(self, delay_seconds: float) -> None:
        task = asyncio.get_running_loop().create_task(self._start_after(delay_seconds))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _start_after(self, delay_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_seconds):
                await self._refill_now.wait()
        process = await asyncio.to_thread(self._start)
        try:
            ready = await process.wait_until_ready()
        except asyncio.CancelledError:
            process.kill()
            raise
        async with self._changed:
            if ready:
                self._ready.append(process)
            else:
                logger.warning("a warm process ended before it was ready; starting another")
                self._add_process(1.0)
            self._changed.notify_all()

    def _start(self) -> WarmProcess:
        parent_end, child_end = self._context.Pipe()
        process = self._context.Process(target=child.main, args=(child_end,), name="warm run", daemon=True)
        with _hidden_main_module():
            process.start()
        child_end.close()
        return WarmProcess(process, parent_end)


@contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Hide `__main__` from multiprocessing, because child processes would import it again."""
    main = sys.modules["__main__"]
    spec, file = main.__spec__, getattr(main, "__file__", None)
    main.__spec__ = None
    if file is not None:
        del main.__file__
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


async def _wait_until_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
