"""Flows for the tests of the warm worker. Together they cover every final state."""

import os
import time
from pathlib import Path

from prefect import flow, get_run_logger, task
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
