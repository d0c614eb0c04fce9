"""Start PostgreSQL servers in temporary folders. A server takes about two seconds to start."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from deployments.stack.parts import postgres
from deployments.stack.parts.postgres import Cluster
from tests.support.extra_processes import free_port

READY_TIMEOUT_SECONDS = 60
# The replica immediately cancels any query that blocks the replay of newer data.
IMPATIENT = ("-c", "max_standby_streaming_delay=0")


@contextmanager
def running() -> Iterator[str]:
    """Start a server and yield the superuser's URL without a driver name."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        cluster = _created(Path(folder) / "cluster")
        with _serving(cluster):
            yield cluster.url("postgres")


@contextmanager
def running_with_replica() -> Iterator[tuple[str, str]]:
    """Start a primary server with a streaming replica, and yield both URLs."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        primary = _created(Path(folder) / "primary")
        with _serving(primary):
            url = primary.url("postgres")
            replica = postgres.lay_out(Path(folder) / "replica", free_port())
            backup = [postgres.binary("pg_basebackup"), "-d", url, "-D", str(replica.data)]
            _run([*backup, "--write-recovery-conf", "--checkpoint=fast"], replica)
            replica.password_file.write_text(primary.password(postgres.SUPERUSER))
            with _serving(replica, IMPATIENT):
                yield url, replica.url("postgres")


def _created(home: Path) -> Cluster:
    cluster = postgres.lay_out(home, free_port())
    postgres.grant_access(cluster)
    create = postgres.initdb(cluster, os.environ)
    assert create is not None
    _run(create.command, cluster)
    postgres.publish(cluster)
    return cluster


def _run(command: Sequence[str], cluster: Cluster) -> None:
    user = cluster.account
    subprocess.run(command, check=True, capture_output=True, user=user, group=user)  # noqa: S603 - a fixed command


@contextmanager
def _serving(cluster: Cluster, options: Sequence[str] = ()) -> Iterator[None]:
    program = postgres.server(cluster, os.environ)
    process = subprocess.Popen(  # noqa: S603 - a fixed command
        [*program.command, *options], stderr=subprocess.DEVNULL, user=program.user, group=program.user
    )
    try:
        _wait(cluster.url("postgres"), process)
        yield
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
