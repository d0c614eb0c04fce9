"""Runs one way in processes of its own: the seconds from the word to the stored object, the peak memory."""

import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turn import DONE, READY, Order

READY_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.03
PR_SET_PDEATHSIG = 1


class WayFailed(Exception):
    """It ended before it was done, or was not done in time; the text is the last that it said."""


@dataclass(frozen=True)
class Turn:
    """`cpu_seconds` are those of its own processes, without the database and the storage."""

    seconds: float
    peak_bytes: int
    cpu_seconds: float


def measured(
    command: Sequence[str], order: Order, environment: Mapping[str, str], within_seconds: float, log: Path
) -> Turn:
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - commands of ours
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # one group with all that it starts
            preexec_fn=_die_with_parent,
        )
    try:
        return _Watched(process, log).turn(order, within_seconds)
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Watched:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        self._pid, self._log = process.pid, log
        self._to, self._from = process.stdin, process.stdout
        self._peaks: dict[int, int] = {}

    def turn(self, order: Order, within_seconds: float) -> Turn:
        self._say(json.dumps(order))
        self._until(READY, READY_WITHIN_SECONDS)
        begun, cpu_begun = time.perf_counter(), cpu_seconds(_tree(self._pid))
        self._say("go")
        self._until(DONE, within_seconds)
        seconds = time.perf_counter() - begun
        self._look()
        return Turn(seconds, sum(self._peaks.values()), cpu_seconds(_tree(self._pid)) - cpu_begun)

    def _say(self, line: str) -> None:
        try:
            self._to.write(f"{line}\n".encode())
            self._to.flush()
        except BrokenPipeError:
            raise WayFailed(self._last_words()) from None

    def _until(self, word: str, within_seconds: float) -> None:
        until = time.monotonic() + within_seconds
        while time.monotonic() < until:
            self._look()
            if select.select([self._from], [], [], LOOK_EVERY_SECONDS)[0]:
                if os.read(self._from.fileno(), 100).decode().strip() != word:
                    raise WayFailed(self._last_words())
                return
        os.kill(self._pid, signal.SIGABRT)  # a Python says where it hangs
        time.sleep(1.0)
        raise WayFailed(f"not done within {within_seconds:.0f} s")

    def _look(self) -> None:
        """Peaks only grow; of one that has ended, what was seen last stays."""
        for pid in _tree(self._pid):
            if peak := peak_bytes(pid):
                self._peaks[pid] = peak

    def _last_words(self) -> str:
        found = re.findall(r"^[A-Za-z][\w. ]*: .+$", self._log.read_text(errors="replace"), re.MULTILINE)
        return found[-1].rpartition("FailedRun: ")[2] if found else "ended without a word"


def peak_bytes(pid: int) -> int:
    """Of resident memory, by Linux; 0 for a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Of these and of the children that they have seen end, by Linux."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_name[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        try:
            tasks = list(Path(f"/proc/{each}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
