"""Start and stop child processes, and wait until they are ready."""

import asyncio
import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
LOG_TAIL_BYTES = 8_000

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


async def _immediately() -> bool:
    return True


async def _do_nothing() -> None:
    pass


@dataclass(frozen=True)
class Program:
    """A program that runs one part of the stack.

    The part is ready when its log contains `ready_output` and `is_ready` returns True.
    """

    role: str
    title: str
    command: list[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], Awaitable[bool]] = _immediately
    ready_output: str = ""
    before_start: Callable[[], Awaitable[None]] = _do_nothing
    stop_signals: tuple[int, ...] = (signal.SIGTERM,)
    user: str | None = None


class ChildFailed(Exception):
    """A part of the stack ended before it was ready, or did not become ready in time."""


@dataclass(eq=False)
class Child:
    program: Program
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started_at: float = field(default=0.0, init=False)
    _log_start: int = field(default=0, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    @property
    def age_seconds(self) -> float:
        """The number of seconds since the program was last started."""
        return time.monotonic() - self._started_at

    async def start(self) -> None:
        await self.program.before_start()
        self._spawn(self.program.user)

    def _spawn(self, user: str | None) -> None:
        self._started_at = time.monotonic()
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - a fixed command, without a shell
                self.program.command,
                env=self.program.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal must reach only the supervisor
                preexec_fn=_end_with_supervisor,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )

    async def wait_until_ready(self, timeout_seconds: float) -> None:
        """Wait until the program is ready. Raises ChildFailed if it exits first or the timeout expires."""
        while not (self.program.ready_output in self._output() and await self.program.is_ready()):
            if self.exit_code is not None:
                raise ChildFailed(self.describe_end())
            if self.age_seconds > timeout_seconds:
                raise ChildFailed(
                    f"{self.program.title} was not ready after {timeout_seconds:.0f} s.\n{self.log_tail()}"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def wait_for_end(self) -> int:
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - asyncio would use a thread per child
            await asyncio.sleep(POLL_SECONDS)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """Send the stop signals one after another, and finally SIGKILL, until the program ends.

        The grace period is divided equally among the stop signals.
        """
        for number in self.program.stop_signals:
            if await self._ends_after(number, grace_seconds / len(self.program.stop_signals)):
                return
        await self._ends_after(signal.SIGKILL, 1.0)

    async def _ends_after(self, number: int, timeout_seconds: float) -> bool:
        if self._process is None or self.exit_code is not None:
            return True
        self._process.send_signal(number)
        try:
            await asyncio.wait_for(self.wait_for_end(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def describe_end(self) -> str:
        return f"{self.program.title} ended with {_describe(self.exit_code)}.\n{self.log_tail()}"

    def log_tail(self, lines: int = 15) -> str:
        last = self._output().splitlines()[-lines:]
        return "\n".join([f"Last lines of {self.log}:", *(f"  | {line}" for line in last)])

    def _output(self) -> str:
        """Return the output since the program was last started, limited to its final LOG_TAIL_BYTES bytes."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")


def _describe(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name} ({code})"
    return f"exit code {code}"


def _end_with_supervisor() -> None:
    # The kernel kills the child process when the thread that forked it ends, so only the main thread may
    # start children.
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
