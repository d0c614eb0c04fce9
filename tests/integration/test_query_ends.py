"""Test that the database query ends when its export ends, even before the first row arrives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Timer
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.pool import NullPool

from flows.formats.csv.options import PRESETS
from flows.sources.postgresql import copy_out
from flows.sources.snapshot import open_engine, snapshot
from tests.support import flow_runs
from tests.support.extra_processes import create_pool, deploy_export, extra_processes
from tests.support.running_stack import Stack

POOL = "query-ends"
SLOW_REPORTS = {"REPORTS_CATALOG": "tests.faults.slow_reports"}
# This query takes longer than any test in this file.
SLEEP = select(func.pg_sleep(120).label("slept"))
READ_FOREVER = """
import sys
from tests.integration.test_query_ends import read
read(sys.argv[1])
"""
ENDED_WITHIN_SECONDS, SEEN_WITHIN_SECONDS = 5, 60


class Stopped(Exception):
    """Raised by a signal handler."""


def read(url: str) -> None:
    engine = open_engine(url, connect_seconds=5, poolclass=NullPool)
    with snapshot(engine, "UTC", 300, lambda: datetime.now(UTC)) as snap:
        for _ in copy_out.copy(snap, SLEEP, PRESETS["plain"]):
            pass


def running_queries(database: psycopg.Connection) -> int:
    rows = database.execute("""
        SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '/*%COPY%pg_sleep%'
    """)
    return int(rows.fetchall()[0][0])


def wait_for_queries(database: psycopg.Connection, number: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while running_queries(database) != number:
        assert time.monotonic() < deadline, f"{running_queries(database)} queries, not {number}"
        time.sleep(0.05)


@contextmanager
def interrupt_with(error: type[BaseException], database: psycopg.Connection) -> Iterator[None]:
    """Raise the error in a signal handler while the query is running."""

    def stop(*_: object) -> None:
        raise error

    def interrupt() -> None:
        wait_for_queries(database, 1, SEEN_WITHIN_SECONDS)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, stop)
    timer = Timer(0, interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped, SystemExit])
def test_an_exception_in_the_export_ends_the_query(
    stack: Stack, database: psycopg.Connection, error: type[BaseException]
) -> None:
    with pytest.raises(error), interrupt_with(error, database):
        read(stack.database_url)
    wait_for_queries(database, 0, ENDED_WITHIN_SECONDS)


def test_killing_the_process_ends_the_query_before_its_first_row(
    stack: Stack, database: psycopg.Connection
) -> None:
    with subprocess.Popen([sys.executable, "-c", READ_FOREVER, stack.database_url]) as process:  # noqa: S603
        wait_for_queries(database, 1, SEEN_WITHIN_SECONDS)
        process.kill()
    wait_for_queries(database, 0, ENDED_WITHIN_SECONDS)


def test_cancelling_the_export_ends_the_query(
    stack: Stack, database: psycopg.Connection, prefect: httpx.Client
) -> None:
    create_pool(prefect, POOL, "warm")
    deployment = deploy_export(prefect, POOL, POOL)
    request: dict[str, Any] = {"request": {"report": "stalled-orders"}}
    with extra_processes(stack) as others:
        worker = others.start_warm_worker(POOL, **SLOW_REPORTS)
        others.wait_for_output(worker, "started!")
        run = flow_runs.start(prefect, deployment, request)
        wait_for_queries(database, 1, SEEN_WITHIN_SECONDS)
        flow_runs.cancel(prefect, run)
        wait_for_queries(database, 0, 2 * ENDED_WITHIN_SECONDS)
        assert flow_runs.wait_until_finished(prefect, run)[0]["state_type"] == "CANCELLED"
