"""Choose ports, secrets, addresses and environment variables before the first process starts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.stack import data_dir, environment, orphan_processes
from deployments.stack.environment import Connections, Replaced
from deployments.stack.parts import object_storage, postgres
from deployments.stack.parts.database_roles import READER, REPORTS_DATABASE
from deployments.stack.parts.object_storage import Storage
from deployments.stack.parts.postgres import SUPERUSER, Cluster
from deployments.stack.ports import API_PORT, PREFECT_PORT, Ports
from deployments.stack.secret_file import secret

PREFECT_LOGIN = "prefect-login"
# Each key is a setting that contains the path of a secret file. If the setting is missing, `up` creates a
# file with the given name in the data directory.
SECRET_FILES = {
    "REPORTS_WEBHOOK_SECRET_FILE": "webhook-secret",
    "REPORTS_TOKEN_SECRET_FILE": "token-secret",
}


@dataclass(frozen=True)
class Options:
    data_dir: Path
    host: str = "127.0.0.1"
    authenticated: bool = False
    port: int | None = None
    prefect_port: int | None = None
    sample_responses: int = 50_000
    strict: bool = False
    reload: bool = False


@dataclass(frozen=True)
class Plan:
    """The parts to start.

    Each of `cluster`, `storage` and `prefect_port` is None if an external server replaces that part.
    """

    options: Options
    cluster: Cluster | None
    storage: Storage | None
    prefect_port: int | None
    api_port: int
    embeds_database: bool
    connections: Connections
    environment: Mapping[str, str]
    mark: str
    temporary: Path

    @property
    def stack_file(self) -> Path:
        return self.options.data_dir / data_dir.STACK_FILE

    @property
    def prefect_home(self) -> Path:
        return self.options.data_dir / "prefect"

    @property
    def prefect_login(self) -> Path | None:
        """The file with the login for the embedded Prefect server, or None for an external server."""
        return self.options.data_dir / PREFECT_LOGIN if self.prefect_port else None


def make_plan(options: Options, inherited: Mapping[str, str], temporary: Path) -> Plan:
    """Choose ports, create secrets in the data directory and return the plan.

    Raises PortTaken if a requested port is in use and NoAccount if PostgreSQL has no user to run as.
    """
    data, replaced = options.data_dir, Replaced.from_environment(inherited)
    ports = Ports(data / "ports.json")
    api_port = ports.choose("api", options.port, API_PORT, options.host)
    prefect_port = cluster = storage = None
    if not replaced.prefect_api_url:
        prefect_port = ports.choose("prefect", options.prefect_port, PREFECT_PORT, "127.0.0.1")
    if not (replaced.database_url and replaced.prefect_api_url):
        cluster = postgres.lay_out(data / "postgres", ports.any_free("postgres"))
    if not replaced.storage_url:
        storage = object_storage.lay_out(data / "storage", ports)
    connections = Connections(
        api_url=_url(local_address(options.host), api_port),
        prefect_api_url=replaced.prefect_api_url or f"http://127.0.0.1:{prefect_port}/api",
        prefect_api_auth_string=_prefect_auth_string(data, replaced, inherited),
        database_url=replaced.database_url or _database_url(cluster, READER) or "",
        admin_database_url=None if replaced.database_url else _database_url(cluster, SUPERUSER),
        storage_url=replaced.storage_url or f"s3://{object_storage.BUCKET}",
        s3_endpoint_url=storage.endpoint if storage else inherited.get("AWS_ENDPOINT_URL"),
        aws_access_key_id=storage.access_key if storage else inherited.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=storage.secret_key if storage else inherited.get("AWS_SECRET_ACCESS_KEY"),
    )
    mark = data_dir.mark(data, secrets.token_hex(8))
    return Plan(
        options=options,
        cluster=cluster,
        storage=storage,
        prefect_port=prefect_port,
        api_port=api_port,
        embeds_database=not replaced.database_url,
        connections=connections,
        environment={
            **_secret_files(data, inherited),
            **environment.for_children(inherited, replaced, connections),
            **environment.prefect_home(data / "prefect"),
            orphan_processes.MARK: mark,
            "TMPDIR": str(temporary),
        },
        mark=mark,
        temporary=temporary,
    )


def _prefect_auth_string(data: Path, replaced: Replaced, inherited: Mapping[str, str]) -> str | None:
    if replaced.prefect_api_url:
        return inherited.get("PREFECT_API_AUTH_STRING")
    # HTTP basic authentication requires the format `user:password`.
    return secret(data / PREFECT_LOGIN, prefix="admin:")


def _database_url(cluster: Cluster | None, role: str) -> str | None:
    return cluster.url(REPORTS_DATABASE, "psycopg", role) if cluster else None


def _secret_files(data: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    created = {setting: data / name for setting, name in SECRET_FILES.items() if not inherited.get(setting)}
    for file in created.values():
        secret(file)
    return {setting: str(file) for setting, file in created.items()}


def local_address(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
