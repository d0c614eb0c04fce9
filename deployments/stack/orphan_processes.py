"""End processes that outlive their stack.

A worker executes runs in processes that belong to other sessions. These processes can outlive the worker.
They are identified by an environment variable that all processes of a stack inherit.

When run as a program, this module is the watchdog of a stack. It waits until its standard input is closed,
which happens even if the supervisor is killed. It then ends the remaining processes and cleans up.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

MARK = "REPORTS_STACK"


def end_all(mark: str, timeout_seconds: float = 0.8) -> None:
    """Kill all processes whose mark starts with `mark`.

    The search is repeated, because a process may start another one just before it is killed itself.
    """
    deadline = time.monotonic() + timeout_seconds
    while (processes := _marked(mark)) and time.monotonic() < deadline:
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=0.2)


def _marked(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _is_marked(process, mark)]


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK, "").startswith(mark) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    mark, stack_file, temporary = sys.argv[1:]
    Path(stack_file).unlink(missing_ok=True)
    end_all(mark)
    shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    main()
