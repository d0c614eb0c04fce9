"""Run a command and measure its duration, peak memory and CPU time."""

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

from benchmarks.turn import DONE, READY, Parameters

READY_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.03
PR_SET_PDEATHSIG = 1


class MeasurementFailed(Exception):
    """The process failed or timed out. The message is the last error that the process wrote, if any."""


@dataclass(frozen=True)
class Measurement:
    """The result of one turn. CPU time and memory do not include the database or the storage."""

    seconds: float
    peak_bytes: int
    cpu_seconds: float


def measure_process(
    command: Sequence[str],
    parameters: Parameters,
    environment: Mapping[str, str],
    timeout_seconds: float,
    log: Path,
) -> Measurement:
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - fixed commands
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # so that end_group() also kills the children of the process
            preexec_fn=_die_with_parent,
        )
    try:
        return _Monitor(process, log).run_turn(parameters, timeout_seconds)
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Monitor:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        self._pid, self._log = process.pid, log
        self._stdin, self._stdout = process.stdin, process.stdout
        self._peaks: dict[int, int] = {}

    def run_turn(self, parameters: Parameters, timeout_seconds: float) -> Measurement:
        self._send(json.dumps(parameters))
        self._wait_for(READY, READY_TIMEOUT_SECONDS)
        started_at, cpu_before = time.perf_counter(), cpu_seconds(process_tree(self._pid))
        self._send("go")
        self._wait_for(DONE, timeout_seconds)
        seconds = time.perf_counter() - started_at
        self._update_peaks()
        return Measurement(
            seconds, sum(self._peaks.values()), cpu_seconds(process_tree(self._pid)) - cpu_before
        )

    def _send(self, line: str) -> None:
        try:
            self._stdin.write(f"{line}\n".encode())
            self._stdin.flush()
        except BrokenPipeError:
            raise MeasurementFailed(self._last_error()) from None

    def _wait_for(self, word: str, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            self._update_peaks()
            if select.select([self._stdout], [], [], POLL_SECONDS)[0]:
                if os.read(self._stdout.fileno(), 100).decode().strip() != word:
                    raise MeasurementFailed(self._last_error())
                return
        os.kill(self._pid, signal.SIGABRT)  # makes faulthandler print where Python hangs
        time.sleep(1.0)
        raise MeasurementFailed(f"not done within {timeout_seconds:.0f} s")

    def _update_peaks(self) -> None:
        """Record the peak memory of each running process. Keep the last value after the process ends."""
        for pid in process_tree(self._pid):
            if peak := peak_bytes(pid):
                self._peaks[pid] = peak

    def _last_error(self) -> str:
        errors = re.findall(r"^[A-Za-z][\w. ]*: .+$", self._log.read_text(errors="replace"), re.MULTILINE)
        return errors[-1].rpartition("FailedRun: ")[2] if errors else "ended without output"


def peak_bytes(pid: int) -> int:
    """Return the peak resident memory in bytes, or 0 if the process has ended.

    This function reads /proc, so it works only on Linux.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU time used by the processes and their reaped children, in seconds.

    This function reads /proc, so it works only on Linux.
    """
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_name[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    pids = [pid]
    for ancestor in pids:
        try:
            tasks = list(Path(f"/proc/{ancestor}/task").iterdir())
            pids += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pids


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
