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
LOOK_AGAIN_SECONDS = 0.05

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


async def _at_once() -> bool:
    return True


async def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Program:
    """What to run as one part of the stack, and how to tell that it is ready."""

    role: str
    title: str
    command: list[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], Awaitable[bool]] = _at_once
    says_when_ready: str = ""
    before_start: Callable[[], Awaitable[None]] = _nothing
    stop_signals: tuple[int, ...] = (signal.SIGTERM,)
    user: str | None = None


class ChildFailed(Exception):
    """A part of the stack ended, or did not get ready, while the stack was starting."""


@dataclass
class Child:
    program: Program
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _log_begins: int = field(default=0, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self._started

    async def start(self) -> None:
        await self.program.before_start()
        self._spawn(self.program.user)

    def _spawn(self, user: str | None) -> None:
        self._started = time.monotonic()
        with self.log.open("ab") as output:
            self._log_begins = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours, no shell
                self.program.command,
                env=self.program.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor only
                preexec_fn=_die_with_supervisor,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )

    async def until_ready(self, within_seconds: float) -> None:
        while not (self.program.says_when_ready in self._said() and await self.program.is_ready()):
            if self.exit_code is not None:
                raise ChildFailed(self.obituary())
            if self.lived_seconds > within_seconds:
                raise ChildFailed(
                    f"{self.program.title} was not ready after {within_seconds:.0f} s.\n{self.tail()}"
                )
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def until_ended(self) -> int:
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - asyncio's own way takes a thread per child
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """Each stop signal gets an equal part of the grace; what is left then is killed."""
        for number in self.program.stop_signals:
            if await self._ended_by(number, grace_seconds / len(self.program.stop_signals)):
                return
        await self._ended_by(signal.SIGKILL, 1.0)

    async def _ended_by(self, number: int, within_seconds: float) -> bool:
        if self._process is None or self.exit_code is not None:
            return True
        self._process.send_signal(number)
        try:
            await asyncio.wait_for(self.until_ended(), within_seconds)
        except TimeoutError:
            return False
        return True

    def obituary(self) -> str:
        return f"{self.program.title} ended with {_meaning(self.exit_code)}.\n{self.tail()}"

    def tail(self, lines: int = 15) -> str:
        last = self._said().splitlines()[-lines:]
        return "\n".join([f"The end of {self.log}:", *(f"  | {line}" for line in last)])

    def _said(self) -> str:
        """Since it was started last; of much only the end."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_begins, self.log.stat().st_size - 8_000))
            return log.read().decode(errors="replace")


def _meaning(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name} ({code})"
    return f"exit code {code}"


def _die_with_supervisor() -> None:
    # Bound to the thread that forks: children are started from the main thread only.
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
