"""Control a warm process from the worker, and lease it to one run at a time."""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from deployments.warm_worker import metrics
from deployments.warm_worker.processes.child import Job, Ready, RunEnd, Unusable
from flows.runs.attempt_result import AttemptResult

WARM_UP_SECONDS = 60.0
END_SECONDS = 8.0
# A process whose memory has grown by more than this is replaced after its run.
MEMORY_GROWTH_BYTES = 128 << 20

logger = logging.getLogger(__name__)


class WarmProcess:
    def __init__(self, process: ForkServerProcess, connection: Connection) -> None:
        self._process, self._connection = process, connection
        self._warm_bytes = self._bytes = 0
        self.runs = 0

    @property
    def pid(self) -> int:
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    @property
    def has_grown(self) -> bool:
        return self._bytes - self._warm_bytes > MEMORY_GROWTH_BYTES

    def is_alive(self) -> bool:
        return self._process.is_alive()

    async def wait_until_ready(self) -> bool:
        """Wait until the process is ready. Return False if it exits, is unusable or takes too long."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                await _wait_until_readable(self._connection.fileno())
            message = self._connection.recv()
        except (TimeoutError, EOFError, OSError):
            logger.warning("warm process %d ended before it was ready", self.pid)
            self.kill()
            return False
        if isinstance(message, Unusable):
            logger.info("warm process %d is replaced: %s", self.pid, message.reason)
            return False
        self._warm_bytes = self._warm_bytes or message.bytes
        return isinstance(message, Ready)

    def start(self, job: Job) -> "Lease":
        self.runs += 1
        self._connection.send(job)
        return Lease(self)

    async def wait_for_run(self) -> RunEnd:
        """Wait until the run or the process has ended, and return the outcome."""
        started = time.monotonic()
        await _wait_until_readable(self._connection.fileno(), self._process.sentinel)
        end = self._read_end() or await self._wait_for_crash()
        self._bytes = end.bytes
        metrics.count_attempt(end.result, time.monotonic() - started)
        return end

    async def _wait_for_crash(self) -> RunEnd:
        await _wait_until_readable(self._process.sentinel)
        self._process.join()
        return RunEnd(self._process.exitcode or 0, False, AttemptResult("", metrics.CRASHED), 0)

    def _read_end(self) -> RunEnd | None:
        """Return the RunEnd message, or None if the process was killed before it sent one."""
        try:
            message = self._connection.recv() if self._connection.poll() else None
        except (EOFError, OSError):
            return None
        return message if isinstance(message, RunEnd) else None

    async def retire(self) -> None:
        """End the process. Before the process exits, it sends the last events and log lines of its run."""
        self._connection.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await _wait_until_readable(self._process.sentinel)
        except TimeoutError:
            self.kill()
            await _wait_until_readable(self._process.sentinel)
        self._process.join()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()


@dataclass
class Lease:
    """A process that is reserved for one run.

    A ProcessHandle contains the lease twice, as its process and as its termination scope. The lease ends with
    the run, so Prefect cannot send a signal to a process that executes another run.
    """

    process: WarmProcess
    returncode: int | None = None
    was_signalled: bool = False
    wait_after_graceful_kill: bool = field(default=True, init=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_alive(self, pid: int) -> bool:
        return self.returncode is None and self.process.is_alive()

    def graceful_kill(self, pid: int) -> None:
        self._signal(signal.SIGTERM)

    def hard_kill(self, pid: int) -> None:
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Do nothing, because the process outlives the run."""

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        self.was_signalled = True
        os.kill(self.pid, number)


async def _wait_until_readable(*descriptors: int) -> None:
    """Wait until one of the descriptors is readable."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    for descriptor in descriptors:
        loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
