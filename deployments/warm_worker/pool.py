"""A handful of warm processes that wait for a run each; every one is used once."""

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

from deployments.warm_worker import child, metrics
from deployments.warm_worker.child import Job
from flows.runs.attempt_result import AttemptResult

WARM_UP_SECONDS = 60.0
# A new process is made when the run that took one has likely ended, unless somebody waits for it.
REFILL_PAUSE_SECONDS = 1.0
END_SECONDS = 2.0

logger = logging.getLogger(__name__)


class WarmProcess:
    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self.process, self._connection = process, connection
        self._begun = 0.0

    async def ready(self) -> bool:
        """False when it ended, or took too long, before it could wait for a run."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                await _readable(self._connection.fileno())
            return self._connection.recv_bytes() == child.READY
        except (TimeoutError, EOFError, OSError):
            self.kill()
            return False

    def give(self, job: Job) -> None:
        self._begun = time.monotonic()
        self._connection.send(job)

    async def ended(self) -> None:
        await _readable(self.process.sentinel)
        self.process.join()
        metrics.count(self._attempt_result(), time.monotonic() - self._begun)
        self._connection.close()

    def _attempt_result(self) -> AttemptResult | None:
        """As the process has told it; one that was killed has told nothing."""
        try:
            return self._connection.recv() if self._connection.poll() else AttemptResult("", metrics.CRASHED)
        except (EOFError, OSError):
            return AttemptResult("", metrics.CRASHED)

    def kill(self) -> None:
        if self.process.is_alive():
            self.process.kill()


class Pool:
    """`size` processes wait, ready or warming up; more run."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(child.PRELOAD)
        self._warming: set[asyncio.Task[None]] = set()
        self._ready: deque[WarmProcess] = deque()
        self._changed = asyncio.Condition()
        self._needed = asyncio.Event()
        self._closed = False

    async def __aenter__(self) -> "Pool":
        for _ in range(self._size):
            self._warm_one(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        for waiting in self._ready:
            waiting.kill()

    async def warmed_up(self) -> None:
        """Until a run that comes would find a process."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._ready))

    @property
    def waiting(self) -> int:
        return len(self._ready)

    async def take(self) -> WarmProcess:
        async with self._changed:
            while True:
                while not self._ready:
                    self._needed.set()
                    if not self._warming:
                        self._warm_one(0)
                    await self._changed.wait()
                self._needed.clear()
                taken = self._ready.popleft()
                self._warm_one(REFILL_PAUSE_SECONDS)
                if taken.process.is_alive():  # somebody may have killed it while it waited
                    return taken

    def _warm_one(self, pause_seconds: float) -> None:
        task = asyncio.get_running_loop().create_task(self._warm(pause_seconds))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _warm(self, pause_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_seconds):
                await self._needed.wait()
        process = await asyncio.to_thread(self._start)
        try:
            ready = await process.ready()
        except asyncio.CancelledError:
            process.kill()
            raise
        async with self._changed:
            if ready:
                self._ready.append(process)
            else:
                logger.warning("a warm process ended before it was ready; making another")
                self._warm_one(1.0)
            self._changed.notify_all()

    def _start(self) -> WarmProcess:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=child.main, args=(theirs,), name="warm run", daemon=True)
        with _no_main_module():
            process.start()
        theirs.close()
        return WarmProcess(process, ours)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Children would import the worker's command line again; they need nothing of it."""
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


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
