"""Ends what a stack has left behind. Run processes of a worker live in sessions of their own and outlast
it; all processes of a stack inherit one environment variable, by which they are found.

As a program it is the stack's last will: it waits until its standard input is closed, which happens when
the supervisor is gone in whatever way, then ends all of that stack and tidies up.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

MARK = "REPORTS_STACK"


def end_all(mark: str, within_seconds: float = 0.8) -> None:
    """Kills until none is found, because a process may start another while it is being looked for."""
    until = time.monotonic() + within_seconds
    while (found := _marked(mark)) and time.monotonic() < until:
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(found, timeout=0.2)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(mark) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


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
