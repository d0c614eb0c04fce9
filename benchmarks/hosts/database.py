"""Run PostgreSQL with a synchronous replica behind a single address, and fail over to the replica."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import psycopg

from benchmarks.hosts.cpu_group import CpuGroup
from benchmarks.hosts.network import Network
from benchmarks.measured_process import process_tree
from deployments.stack.parts import sample_data
from tests.support import postgres

PORT = 5432
RESPONSES = 5_000
PREFECT_DATABASE = "prefect"


@dataclass(frozen=True)
class Database:
    """A primary server and its replica. `primary` and `replica` are URLs on loopback."""

    network: Network
    cpu: CpuGroup
    primary: str
    replica: str

    def url(self, database: str, driver: str) -> str:
        """Return the URL that the hosts use. This URL always points to the current primary server."""
        login = urlsplit(self.primary).netloc.rpartition("@")[0]
        return f"postgresql+{driver}://{login}@{self.network.gateway}:{PORT}/{database}"

    def fail_over(self) -> None:
        """Kill the primary server, promote the replica, and redirect the address to the replica."""
        with psycopg.connect(self.primary) as connection:
            server = psutil.Process(connection.info.backend_pid).parent()
        assert server is not None  # noqa: S101 - the parent of a backend
        server.kill()
        with psycopg.connect(self.replica, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        self.network.forward(PORT, _port(self.replica))


@contextmanager
def open_database(network: Network) -> Iterator[Database]:
    """Start both servers with the sample data and an empty database for Prefect."""
    cpu = CpuGroup(f"{network.name}database")
    try:
        with postgres.running_with_replica() as (primary, replica):
            with psycopg.connect(primary, autocommit=True) as connection:
                # Commits wait for the replica, so a failover loses no data.
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(f"CREATE DATABASE {PREFECT_DATABASE}".encode())
                _measure(cpu, connection.info.backend_pid)
            with psycopg.connect(replica) as connection:
                _measure(cpu, connection.info.backend_pid)
            sample_data.load(primary, RESPONSES)
            network.forward(PORT, _port(primary))
            yield Database(network, cpu, primary, replica)
    finally:
        cpu.remove()


def _measure(cpu: CpuGroup, backend_pid: int) -> None:
    """Find the server that owns this backend process, and add the server and its children to the group."""
    server = psutil.Process(backend_pid).parent()
    assert server is not None  # noqa: S101 - the parent of a backend
    for pid in process_tree(server.pid):
        cpu.add(pid)


def _port(url: str) -> int:
    return urlsplit(url).port or PORT
