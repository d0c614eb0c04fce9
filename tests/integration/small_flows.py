"""Flows for the warm worker tests. Between them, these flows reach every final state."""

import json
import logging
import os
import random
import signal
import socket
import sys
import time
import warnings
from contextvars import ContextVar
from pathlib import Path
from threading import Thread

from prefect import flow, get_run_logger, task
from prefect.context import TagsContext
from prefect.runtime import flow_run


@flow
def completes() -> str:
    get_run_logger().info("a line of the flow")
    return "done"


@flow
def fails() -> None:
    raise ValueError("on purpose")


@flow(retries=1)
def is_retried() -> None:
    if flow_run.run_count == 1:
        raise ValueError("the first time only")


@flow(timeout_seconds=1)
def times_out() -> None:
    for _ in range(100):
        time.sleep(0.1)


@flow
def sleeps(seconds: float, pid_file: str = "") -> None:
    if pid_file:
        Path(pid_file).write_text(str(os.getpid()))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)


@task
def a_failing_task() -> None:
    raise ValueError("in a task")


@flow
def fails_in_a_task() -> None:
    a_failing_task()


@task
def a_task() -> None:
    get_run_logger().info("a line of the task")


@flow
def runs_a_task() -> None:
    a_task()


LEAK = "REPORTS_TEST_LEAK"
_leaked: ContextVar[str] = ContextVar("leaked", default="")


@flow
def leaks(folder: str) -> None:
    """Change all the process state that a run can change, then finish normally."""
    os.environ[LEAK] = "leaked"
    os.environ.pop("PREFECT__FLOW_ENTRYPOINT", None)
    _leaked.set("leaked")
    os.chdir(folder)
    os.umask(0)
    sys.path.insert(0, folder)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - left open on purpose
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    socket.setdefaulttimeout(1.5)
    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    logging.getLogger("flows").setLevel(logging.CRITICAL)
    logging.getLogger("prefect.flow_runs").handlers.clear()
    random.seed(1)


@flow
def shows_process_state(state_file: str) -> None:
    """Write a file containing the process state that is visible to this run."""
    get_run_logger().info("a line of the flow")
    state = {
        "environment": {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")
        },
        "run": os.environ["PREFECT__FLOW_RUN_ID"],
        "context": _leaked.get(),
        "folder": os.getcwd(),
        "umask": _umask(),
        "path": sys.path,
        "stderr": sys.stderr.name,
        "signal": str(signal.getsignal(signal.SIGUSR1)),
        "timeout": socket.getdefaulttimeout(),
        "warnings": str(warnings.filters),
        "logging": [logging.root.manager.disable, logging.getLogger("flows").level],
        "handlers": str([type(handler) for handler in logging.getLogger("prefect.flow_runs").handlers]),
        "tags": sorted(TagsContext.get().current_tags),
        "runtime": str(flow_run.id),
    }
    random_value = random.random()  # noqa: S311 - shows a leaked seed
    Path(state_file).write_text(json.dumps({"pid": os.getpid(), "random": random_value, "state": state}))


_kept: list[bytearray] = []


@flow
def grows() -> None:
    """Allocate and keep more memory than a run may add to its process."""
    _kept.append(bytearray(os.urandom(1) * (200 << 20)))


@flow
def leaves_a_thread() -> None:
    Thread(target=time.sleep, args=(600,), daemon=False).start()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
