"""Pool of warm processes. Each process executes one run after another."""

import asyncio
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from deployments.warm_worker.processes import child
from deployments.warm_worker.processes.process import WarmProcess

# Starting a process slows down other runs, so a replacement is started after this many seconds, unless a run
# needs it earlier.
REFILL_DELAY_SECONDS = 1.0
# A process takes about 70 MB, so an idle pool keeps only this many of them.
KEPT_PROCESSES = 2
# The others end after they have been idle for this long. Starting one again takes 0.2 s of CPU time.
IDLE_SECONDS = 300.0
IDLE_CHECK_SECONDS = 10.0
# Environment variables that the processes read when they start.
ENVIRONMENT = {
    # Prefect responds with 500 while its database restarts. Without this setting, runs would then fail. The
    # worker retries its own calls anyway.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    # By default, Arrow and malloc keep the memory of freed blocks. With these settings, they return it, which
    # reduces the peak memory of an XLSX export by 36 MB. Below 4 MB, returning blocks takes too much time.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
}


@dataclass(frozen=True)
class _Idle:
    process: WarmProcess
    since: float


class WarmProcessPool:
    """Keeps processes ready, and starts another one if a run finds all of them busy.

    Each process ends after `runs_per_process` runs. If more than `kept` are ready, those that have been idle
    for `IDLE_SECONDS` end, too.
    """

    def __init__(self, kept: int, runs_per_process: int) -> None:
        self._kept, self._runs_per_process = kept, runs_per_process
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(child.PRELOAD)
        self._ready: deque[_Idle] = deque()  # the process that has been idle for the longest time is first
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._processes: set[WarmProcess] = set()
        self._waiting = self._preparing = self._busy = 0

    async def __aenter__(self) -> "WarmProcessPool":
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        for _ in range(self._kept):
            self._add_process(0)
        self._start_task(self._end_idle_processes())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self._processes:
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
            self._waiting += 1
            try:
                while not (process := self._next_ready()):
                    if self._preparing < self._waiting:
                        self._add_process(0)
                    await self._changed.wait()
            finally:
                self._waiting -= 1
            self._busy += 1
            return process

    def release(self, process: WarmProcess, reusable: bool) -> None:
        """Return a process to the pool after a run. `reusable` is true if another run may use it."""
        self._busy -= 1
        is_good = reusable and process.runs < self._runs_per_process and not process.has_grown
        if is_good:
            self._preparing += 1
            self._start_task(self._make_ready(process))
            return
        self._start_task(self._retire(process))
        if self._is_short():
            self._add_process(REFILL_DELAY_SECONDS)

    def _is_short(self) -> bool:
        processes = len(self._ready) + self._preparing + self._busy
        return processes < self._kept or self._preparing < self._waiting

    def _next_ready(self) -> WarmProcess | None:
        """Take the process that was used last, so that the others become idle."""
        while self._ready:
            process = self._ready.pop().process
            if process.is_alive():  # an idle process may have been killed
                return process
            self._start_task(self._retire(process))
            self._add_process(0)
        return None

    def _add_process(self, delay_seconds: float) -> None:
        self._preparing += 1
        self._start_task(self._start_after(delay_seconds))

    async def _start_after(self, delay_seconds: float) -> None:
        for _ in range(int(delay_seconds * 10)):
            if self._waiting:
                break
            await asyncio.sleep(0.1)
        process = await asyncio.to_thread(self._start)
        await self._make_ready(process)

    async def _make_ready(self, process: WarmProcess) -> None:
        ready = await process.wait_until_ready()
        async with self._changed:
            self._preparing -= 1
            if ready:
                self._ready.append(_Idle(process, time.monotonic()))
            else:
                self._start_task(self._retire(process))
                self._add_process(REFILL_DELAY_SECONDS)
            self._changed.notify_all()

    async def _end_idle_processes(self) -> None:
        while True:
            await asyncio.sleep(IDLE_CHECK_SECONDS)
            ended_before = time.monotonic() - IDLE_SECONDS
            while len(self._ready) > self._kept and self._ready[0].since < ended_before:
                self._start_task(self._retire(self._ready.popleft().process))

    async def _retire(self, process: WarmProcess) -> None:
        await process.retire()
        self._processes.discard(process)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start(self) -> WarmProcess:
        parent_end, child_end = self._context.Pipe()
        process = self._context.Process(target=child.main, args=(child_end,), name="warm run", daemon=True)
        with _hidden_main_module():
            process.start()
        child_end.close()
        started = WarmProcess(process, parent_end)
        self._processes.add(started)
        return started


@contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Hide `__main__` from multiprocessing, because child processes would otherwise import it again."""
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
