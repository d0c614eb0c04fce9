"""Start a PostgreSQL server in a temporary folder. This takes about two seconds."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from deployments.stack.parts import postgres
from tests.support.extra_processes import free_port

READY_TIMEOUT_SECONDS = 60


@contextmanager
def running() -> Iterator[str]:
    """Start a server and yield the superuser's URL without a driver name."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        cluster = postgres.lay_out(Path(folder) / "cluster", free_port())
        postgres.grant_access(cluster)
        create = postgres.initdb(cluster, os.environ)
        assert create is not None
        subprocess.run(  # noqa: S603 - a fixed command
            create.command, check=True, capture_output=True, user=create.user, group=create.user
        )
        postgres.publish(cluster)
        program = postgres.server(cluster, os.environ)
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            program.command, stderr=subprocess.DEVNULL, user=program.user, group=program.user
        )
        try:
            _wait(cluster.url("postgres"), process)
            yield cluster.url("postgres")
        finally:
            process.send_signal(program.stop_signals[0])
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
