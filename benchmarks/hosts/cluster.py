"""Start API processes, workers and Prefect servers on their own hosts.

PostgreSQL, the S3 server, Redis and the load balancer run on the machine itself.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

from api.access.api_keys import KeyFile
from benchmarks.hosts import servers
from benchmarks.hosts.database import PREFECT_DATABASE, Database, open_database
from benchmarks.hosts.network import Host, Network, open_network
from benchmarks.hosts.processes import Processes, processes_in
from benchmarks.hosts.servers import API_PORT, PREFECT_PORT, prefect_settings
from deployments.stack.parts import prefect_index
from deployments.stack.parts.object_storage import BUCKET
from tests.faults import slow_reports
from tests.support import s3_server
from tests.support.running_stack import GENEROUS_LIMITS
from tests.support.s3_server import S3Server

COMMAND, PREFECT = "report-exports", ("python", "-P", "-m", "prefect")
# The package of reports that an operator copies to each host.
REPORTS = "host_reports"
CATALOG = f"flows.samples,{REPORTS}"


@dataclass
class Cluster:
    """The hosts of each role and the processes that run on them."""

    network: Network
    processes: Processes
    database: Database
    storage: S3Server
    settings: dict[str, str]
    prefect_settings: dict[str, str]
    key: str
    apis: list[Host]
    workers: list[Host]
    prefect_servers: list[Host]
    services: Host
    _running: dict[str, Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.network.gateway}:{API_PORT}"

    def start_prefect_server(self, host: Host) -> None:
        options = ("--host", host.address, "--port", str(PREFECT_PORT), "--no-services")
        self._start(host, *PREFECT, "server", "start", *options, settings=self.prefect_settings)
        servers.wait_until_healthy(f"http://{host.address}:{PREFECT_PORT}/api/health")

    def start_api(self, host: Host) -> None:
        options = ("--host", host.address, "--port", str(API_PORT))
        self._start(host, COMMAND, "api", *options, settings=self.settings)
        servers.wait_until_healthy(f"http://{host.address}:{API_PORT}/healthz")

    def start_worker(self, host: Host) -> None:
        options = ("--limit", "4", "--grace", "60")
        self._start(host, COMMAND, "worker", *options, settings=self.settings)
        self.processes.wait_for_output(self._running[host.name], "started!")

    def start_services(self) -> None:
        self._start(self.services, *PREFECT, "server", "services", "start", settings=self.prefect_settings)

    def register(self) -> None:
        """Register the deployments of the installed version."""
        self.processes.complete_on(
            self.services, COMMAND, "register", "--wait", "120", settings=self.settings
        )

    def stop(self, host: Host) -> None:
        """Terminate the process on a host, as an upgrade would, and wait until the process has ended."""
        process = self._running.pop(host.name)
        process.terminate()
        process.wait(90)

    def kill(self, host: Host) -> None:
        self._running.pop(host.name).kill()

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each role has used so far."""
        groups = {"API": self.apis, "worker": self.workers, "Prefect": self.prefect_servers}
        seconds = {role: sum(host.cpu.cpu_seconds() for host in hosts) for role, hosts in groups.items()}
        seconds["services"] = self.services.cpu.cpu_seconds()
        return seconds | {"PostgreSQL": self.database.cpu.cpu_seconds()}

    def _start(self, host: Host, program: str, *arguments: str, settings: dict[str, str]) -> None:
        self._running[host.name] = self.processes.start_on(host, program, *arguments, settings=settings)


@contextmanager
def open_cluster(programs: Path) -> Iterator[Cluster]:
    """Start a process on each host. `programs` is the `bin` folder of the environment that the hosts use."""
    with (
        TemporaryDirectory(prefix="hosts-", ignore_cleanup_errors=True) as folder,
        open_network() as network,
        open_database(network) as database,
        s3_server.running() as storage,
        processes_in(Path(folder), programs) as processes,
    ):
        shutil.copytree(Path(slow_reports.__file__).parent, Path(folder) / REPORTS)
        cluster = _prepare(network, processes, database, storage, Path(folder))
        _start_prefect(cluster, Path(folder))
        for host in cluster.apis:
            cluster.start_api(host)
        for host in cluster.workers:
            cluster.start_worker(host)
        yield cluster


def _prepare(
    network: Network, processes: Processes, database: Database, storage: S3Server, folder: Path
) -> Cluster:
    keys = folder / "keys.json"
    key = KeyFile(keys).create("load", None, datetime.now(UTC))
    settings = {
        **GENEROUS_LIMITS,
        "REPORTS_DATABASE_URL": database.url("postgres", "psycopg"),
        "REPORTS_STORAGE_URL": f"s3://{BUCKET}",
        "REPORTS_CATALOG": CATALOG,
        "REPORTS_KEYS_FILE": str(keys),
        "REPORTS_PUBLIC_URL": f"http://{network.gateway}:{API_PORT}",
        "PREFECT_API_URL": f"http://{network.gateway}:{PREFECT_PORT}/api",
        "PREFECT_HOME": str(folder / "prefect"),
        "AWS_ENDPOINT_URL": network.forward_url(storage.endpoint),
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    prefect = prefect_settings(database.url(PREFECT_DATABASE, "asyncpg"), network.gateway, settings)
    hosts = [network.add_host() for _ in range(7)]
    roles = (hosts[:2], hosts[2:4], hosts[4:6], hosts[6])
    return Cluster(network, processes, database, storage, settings, prefect, key, *roles)


def _start_prefect(cluster: Cluster, folder: Path) -> None:
    gateway, processes, prefect = cluster.network.gateway, cluster.processes, cluster.prefect_settings
    processes.run(*servers.redis(gateway), settings={})
    apis, prefect_servers = _addresses(cluster.apis), _addresses(cluster.prefect_servers)
    processes.run(*servers.load_balancer(folder, gateway, apis, prefect_servers), settings={})
    upgrade = ("server", "database", "upgrade", "--yes")
    processes.complete_on(cluster.services, *PREFECT, *upgrade, settings=prefect)
    prefect_index.create(cluster.database.primary.rpartition("/")[0] + f"/{PREFECT_DATABASE}")
    for host in cluster.prefect_servers:
        cluster.start_prefect_server(host)
    cluster.start_services()
    cluster.register()


def _addresses(hosts: Sequence[Host]) -> list[str]:
    return [host.address for host in hosts]
