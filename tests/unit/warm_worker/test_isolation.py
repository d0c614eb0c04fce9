import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from deployments.warm_worker.processes.isolation import leftover_threads, run_isolated

VARIABLE: ContextVar[str] = ContextVar("variable", default="")
LOGGER = logging.getLogger("flows.export")


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


LEAKS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "a context variable": (lambda: VARIABLE.set("leaked"), VARIABLE.get),
    "a new environment variable": (lambda: os.environ.update(LEAK="1"), lambda: os.environ.get("LEAK")),
    "a removed environment variable": (lambda: os.environ.pop("PATH"), lambda: os.environ.get("PATH")),
    "the working directory": (lambda: os.chdir("/"), os.getcwd),
    "umask": (lambda: os.umask(0o077), umask),
    "a signal handler": (
        lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGUSR1),
    ),
    "a log level": (lambda: LOGGER.setLevel(1), lambda: LOGGER.level),
    "a log handler": (lambda: LOGGER.addHandler(logging.NullHandler()), lambda: [*LOGGER.handlers]),
    "disabled logging": (lambda: logging.disable(50), lambda: logging.root.manager.disable),
    "warning filters": (lambda: warnings.simplefilter("ignore"), lambda: list(warnings.filters)),
    "sys.path": (lambda: sys.path.insert(0, "/leaked"), lambda: list(sys.path)),
    "a stream": (lambda: setattr(sys, "stdout", None), lambda: sys.stdout),
    "the socket timeout": (lambda: socket.setdefaulttimeout(1), socket.getdefaulttimeout),
}  # fmt: skip


@pytest.mark.parametrize("kind", LEAKS)
def test_what_a_run_changes_is_restored(kind: str) -> None:
    leak, look = LEAKS[kind]
    before = look()
    seen = run_isolated(lambda: (leak(), look())[1])
    assert seen != before
    assert look() == before


def test_state_is_restored_after_an_exception(tmp_path: Path) -> None:
    before = os.getcwd()

    def fail() -> None:
        os.chdir(tmp_path)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_isolated(fail)
    assert os.getcwd() == before


@pytest.mark.parametrize("daemon", [True, False])
def test_only_threads_that_outlive_their_process_are_left_over(daemon: bool) -> None:
    end = Event()
    thread = Thread(target=end.wait, daemon=daemon)
    thread.start()
    try:
        assert (thread in leftover_threads()) is not daemon
    finally:
        end.set()
        thread.join()
